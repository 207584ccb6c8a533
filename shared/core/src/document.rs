//! Documents that people write (contracts, tenants, topics): what is wrong with one, and where.
//!
//! The shape of each is a JSON Schema under `document/`, which an editor can use as well. serde
//! alone would refuse the same documents, but would name a line instead of a path and stop at the
//! first fault. What a schema cannot say is checked where the document becomes what it describes.

use std::fmt;
use std::sync::LazyLock;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::base::limits;
use crate::schema::Schema;

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

/// The shape of a kind of document.
pub(crate) type Shape = LazyLock<Result<Schema, Fault>>;

/// Compiles a shape that ships inside the binary.
pub(crate) fn shape(text: &str) -> Result<Schema, Fault> {
    let schema: Value =
        serde_json::from_str(text).map_err(|fault| Fault::new("", fault.to_string()))?;
    Schema::compile(&schema)
}

/// Parses a document of that shape.
pub(crate) fn parse(text: &str) -> Result<Value, Vec<Fault>> {
    if text.len() > limits::DOCUMENT_BYTES {
        let message = format!("the document is too large: limit=`{}`", limits::DOCUMENT_BYTES);
        return Err(vec![Fault::new("", message)]);
    }
    serde_json::from_str(text)
        .map_err(|fault| vec![Fault::new("", format!("not a JSON document: {fault}"))])
}

/// Checks a document against its shape and reads it.
pub(crate) fn read<T: DeserializeOwned>(document: &Value, shape: &Shape) -> Result<T, Vec<Fault>> {
    let schema = shape.as_ref().map_err(|fault| vec![fault.clone()])?;
    let faults = schema.faults(document);
    if !faults.is_empty() {
        return Err(faults);
    }
    T::deserialize(document).map_err(|fault| vec![Fault::new("", fault.to_string())])
}
