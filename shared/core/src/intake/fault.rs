//! The faults of a document, each with its path. All faults are reported, not only the first.

use std::fmt;

/// A fault of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// JSON Pointer into the document; empty for the whole document.
    pub path: String,
    /// A description for people, in lower case.
    pub message: String,
}

impl Fault {
    /// A fault at a path.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "/" } else { &self.path };
        write!(formatter, "{path}: {}", self.message)
    }
}

/// All faults on one line.
pub(crate) fn listed(faults: &[Fault]) -> String {
    let texts: Vec<String> = faults.iter().map(Fault::to_string).collect();
    texts.join("; ")
}

/// The message about a list that is too long.
pub(crate) fn too_many(what: &str, came: usize, limit: usize) -> String {
    format!("too many {what}: {what}=`{came}` limit=`{limit}`")
}

/// Collects the faults of one document.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    /// Adds a fault.
    pub(crate) fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(Fault::new(path, message));
    }

    /// The value. An error becomes a fault at `path`, and the value is `None`.
    pub(crate) fn take<T, E: fmt::Display>(
        &mut self,
        path: &str,
        result: Result<T, E>,
    ) -> Option<T> {
        result.map_err(|fault| self.add(path, fault.to_string())).ok()
    }

    /// The result, if there are no faults.
    pub(crate) fn or<T>(self, result: Option<T>) -> Result<T, Vec<Fault>> {
        match result {
            Some(result) if self.0.is_empty() => Ok(result),
            _ => Err(self.0),
        }
    }
}
