//! Reads configuration from named variables at startup. An invalid variable is an error that names
//! it. Only `main` reads the environment.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// A source of variables.
pub struct Variables<F>(pub F);

/// A variable that is missing or invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable} {fault}")]
pub struct Misconfigured {
    variable: &'static str,
    fault: String,
}

impl Misconfigured {
    /// The fault of a variable, as a sentence without its subject.
    pub fn new(variable: &'static str, fault: impl Into<String>) -> Self {
        Self { variable, fault: fault.into() }
    }
}

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    /// An optional text. A blank value counts as unset.
    pub fn optional(&self, name: &'static str) -> Option<String> {
        (self.0)(name).filter(|text| !text.trim().is_empty())
    }

    /// A required text.
    ///
    /// # Errors
    /// The variable is not set.
    pub fn text(&self, name: &'static str) -> Result<String, Misconfigured> {
        self.optional(name).ok_or_else(|| Misconfigured::new(name, "is not set"))
    }

    /// A required queue URL.
    ///
    /// # Errors
    /// The variable is not set or is not a URL.
    pub fn url(&self, name: &'static str) -> Result<String, Misconfigured> {
        let url = self.text(name)?;
        if url.starts_with("https://") || url.starts_with("http://") {
            return Ok(url);
        }
        Err(Misconfigured::new(name, format!("is no queue URL: value=`{url}`")))
    }

    /// A number within a range.
    ///
    /// # Errors
    /// The value is not a number, or is outside the range.
    pub fn number<T: FromStr + PartialOrd + Display>(
        &self,
        name: &'static str,
        default: T,
        range: RangeInclusive<T>,
    ) -> Result<T, Misconfigured> {
        let Some(text) = (self.0)(name) else { return Ok(default) };
        let parsed = text.trim().parse().ok().filter(|number| range.contains(number));
        parsed.ok_or_else(|| {
            let (least, most) = (range.start(), range.end());
            let fault = format!("is no number from {least} to {most}: value=`{text}`");
            Misconfigured::new(name, fault)
        })
    }
}
