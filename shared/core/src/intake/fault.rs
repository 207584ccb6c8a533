//! What is wrong with a document, and where: every fault, not only the first.

use std::fmt;

/// One thing that is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// JSON Pointer into the document; empty for the whole.
    pub path: String,
    /// For a person; lower case.
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

/// Faults on one line.
pub(crate) fn listed(faults: &[Fault]) -> String {
    let texts: Vec<String> = faults.iter().map(Fault::to_string).collect();
    texts.join("; ")
}

/// The message of a list that is too long.
pub(crate) fn too_many(what: &str, came: usize, limit: usize) -> String {
    format!("too many {what}: {what}=`{came}` limit=`{limit}`")
}

/// Finds every fault of one document before it is refused.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    /// Takes note of a fault.
    pub(crate) fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(Fault::new(path, message));
    }

    /// The value, or `None` and a fault at `path`.
    pub(crate) fn take<T, E: fmt::Display>(
        &mut self,
        path: &str,
        result: Result<T, E>,
    ) -> Option<T> {
        result.map_err(|fault| self.add(path, fault.to_string())).ok()
    }

    /// The result, if it exists and nothing was wrong.
    pub(crate) fn or<T>(self, result: Option<T>) -> Result<T, Vec<Fault>> {
        match result {
            Some(result) if self.0.is_empty() => Ok(result),
            _ => Err(self.0),
        }
    }
}
