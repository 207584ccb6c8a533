//! The frames that serializers of schema registries put before a value: Confluent's (a zero byte and four bytes
//! of a schema's id) and Glue's (a byte 3, a byte that names the compression, a UUID). No JSON begins like one.
//!
//! Drover decodes neither Avro nor Protobuf. Lambda can decode them before it invokes the processor; records
//! that Drover itself reads from a topic (a replay of discarded offsets, the local host) keep their frame.

use std::fmt;

use crate::base::error::{Code, Rejection};

/// Confluent's frame.
const CONFLUENT: usize = 5;
/// Glue's frame.
const GLUE: usize = 18;
const REMEDY: &str = "Drover decodes neither Avro nor Protobuf; on AWS, the template's parameter DecodedTopics has Lambda decode a topic";

/// A frame before a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RegistryFrame {
    /// With the id of a schema.
    Confluent(u32),
    /// Of the Glue schema registry.
    Glue,
}

impl RegistryFrame {
    /// The frame that a value begins with. UTF-16 begins with one zero byte, ids of schemas with two.
    pub(crate) fn of(value: &[u8]) -> Option<Self> {
        match *value {
            [0, 0, a, b, c, ..] => Some(Self::Confluent(u32::from_be_bytes([0, a, b, c]))),
            [3, 0 | 5, ..] if value.len() >= GLUE => Some(Self::Glue),
            _ => None,
        }
    }

    /// The value behind Confluent's frame.
    pub(crate) fn behind_confluent(value: &[u8]) -> Option<&[u8]> {
        value.get(CONFLUENT..).filter(|_| value.first() == Some(&0))
    }

    /// Why the value behind this frame is not read.
    pub(crate) fn rejection(self, what: &str) -> Rejection {
        Rejection::new(Code::UnsupportedEncoding, format!("{what}; {REMEDY}: {self}"))
    }
}

impl fmt::Display for RegistryFrame {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Confluent(schema) => write!(formatter, "registry=`Confluent` schema=`{schema}`"),
            Self::Glue => formatter.write_str("registry=`Glue`"),
        }
    }
}

/// Refuses a value with a frame of a schema registry, which no route has taken off.
///
/// # Errors
/// `unsupported_encoding`.
pub(crate) fn check_not_framed(value: &[u8]) -> Result<(), Rejection> {
    match RegistryFrame::of(value) {
        None => Ok(()),
        Some(frame) => {
            let what = "this begins with the frame of a schema registry, and the topic's route does not say confluent_json (for JSON behind it)";
            Err(frame.rejection(what))
        }
    }
}
