//! The configuration, read once at start. A wrong one is an error that names the variable, before
//! anything is taken from the stream.

use std::fmt::Display;
use std::str::FromStr;

/// What the environment says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `DROVER_LEDGER_TABLE`: the ledger that all tenants share.
    pub ledger_table: String,
    /// `DROVER_REGISTRY_TABLE`: tenants, contracts, topic routes, keys.
    pub registry_table: String,
    /// `DROVER_DEAD_LETTER_QUEUE_URL`
    pub dead_letter_queue_url: String,
    /// `DROVER_BUFFER_QUEUE_URL`
    pub buffer_queue_url: String,
    /// `DROVER_CACHE_BYTES`: what warm heads may take, 8 MiB by default.
    pub cache_bytes: usize,
    /// `DROVER_CONCURRENCY`: subjects that run together, 1 to 256, 32 by default.
    pub concurrency: usize,
}

/// A variable that is missing or wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable} {fault}")]
pub struct Misconfigured {
    variable: &'static str,
    fault: String,
}

impl Config {
    /// Reads the configuration from a source of variables.
    ///
    /// # Errors
    /// The first variable that is missing or wrong.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Misconfigured> {
        let text = |name| required(&variable, name);
        let url = |name| text(name).and_then(|url| checked_url(name, url));
        Ok(Self {
            ledger_table: text("DROVER_LEDGER_TABLE")?,
            registry_table: text("DROVER_REGISTRY_TABLE")?,
            dead_letter_queue_url: url("DROVER_DEAD_LETTER_QUEUE_URL")?,
            buffer_queue_url: url("DROVER_BUFFER_QUEUE_URL")?,
            cache_bytes: number(&variable, "DROVER_CACHE_BYTES", 8 << 20, 0..=1 << 30)?,
            concurrency: number(&variable, "DROVER_CONCURRENCY", 32, 1..=256)?,
        })
    }
}

fn required(
    variable: impl Fn(&str) -> Option<String>,
    name: &'static str,
) -> Result<String, Misconfigured> {
    let text = variable(name).filter(|text| !text.trim().is_empty());
    text.ok_or_else(|| Misconfigured { variable: name, fault: "is not set".into() })
}

fn checked_url(name: &'static str, url: String) -> Result<String, Misconfigured> {
    if url.starts_with("https://") || url.starts_with("http://") {
        return Ok(url);
    }
    Err(Misconfigured { variable: name, fault: format!("is no queue URL: value=`{url}`") })
}

fn number<T: FromStr + PartialOrd + Display>(
    variable: impl Fn(&str) -> Option<String>,
    name: &'static str,
    default: T,
    range: std::ops::RangeInclusive<T>,
) -> Result<T, Misconfigured> {
    let Some(text) = variable(name) else { return Ok(default) };
    let parsed = text.trim().parse().ok().filter(|number| range.contains(number));
    parsed.ok_or_else(|| {
        let (least, most) = (range.start(), range.end());
        let fault = format!("is no number from {least} to {most}: value=`{text}`");
        Misconfigured { variable: name, fault }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [(&str, &str); 4] = [
        ("DROVER_LEDGER_TABLE", "ledger"),
        ("DROVER_REGISTRY_TABLE", "registry"),
        ("DROVER_DEAD_LETTER_QUEUE_URL", "https://sqs/1/letters"),
        ("DROVER_BUFFER_QUEUE_URL", "https://sqs/1/buffer"),
    ];

    fn check(change: (&str, &str), expected: &str) {
        let read = |name: &str| {
            let changed = (change.0 == name).then(|| change.1.to_owned());
            changed.or_else(|| {
                GOOD.iter().find(|(good, _)| *good == name).map(|(_, value)| (*value).to_owned())
            })
        };
        let message = match Config::read(read) {
            Ok(_) => String::new(),
            Err(fault) => fault.to_string(),
        };
        assert_eq!(message, expected);
    }

    #[test]
    fn a_wrong_configuration_names_its_variable() {
        check(("DROVER_OTHER", ""), "");
        check(("DROVER_LEDGER_TABLE", " "), "DROVER_LEDGER_TABLE is not set");
        check(
            ("DROVER_BUFFER_QUEUE_URL", "buffer"),
            "DROVER_BUFFER_QUEUE_URL is no queue URL: value=`buffer`",
        );
        check(
            ("DROVER_CONCURRENCY", "0"),
            "DROVER_CONCURRENCY is no number from 1 to 256: value=`0`",
        );
    }
}
