//! The document of a transform.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// A jq program: one text, or a list of lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TransformDocument {
    /// The program.
    Text(String),
    /// The lines of the program, which newlines join.
    Lines(Vec<String>),
}

impl TransformDocument {
    /// The program as one text. Lines and columns of its faults count in this text.
    pub fn program(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Lines(lines) => Cow::Owned(lines.join("\n")),
        }
    }
}
