//! Configuration from named variables. A wrong one is an error that names the variable, before
//! anything is taken in hand. Who reads the environment is `main`'s business.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// A source of variables.
pub struct Variables<F>(pub F);

/// A variable that is missing or wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable} {fault}")]
pub struct Misconfigured {
    variable: &'static str,
    fault: String,
}

impl Misconfigured {
    /// What is wrong with a variable: a sentence without its subject.
    pub fn new(variable: &'static str, fault: impl Into<String>) -> Self {
        Self { variable, fault: fault.into() }
    }
}

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    /// A text, where there is one that is not blank.
    pub fn optional(&self, name: &'static str) -> Option<String> {
        (self.0)(name).filter(|text| !text.trim().is_empty())
    }

    /// A text that must be there.
    ///
    /// # Errors
    /// It is not.
    pub fn text(&self, name: &'static str) -> Result<String, Misconfigured> {
        self.optional(name).ok_or_else(|| Misconfigured::new(name, "is not set"))
    }

    /// The URL of a queue.
    ///
    /// # Errors
    /// It is missing, or none.
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
    /// It is none, or outside.
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
