//! The document of the values that views read from payloads.

use serde::{Deserialize, Serialize};

/// A number whose statistics are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasureDocument {
    /// The name: `[a-z0-9_-]{1,64}`.
    pub name: String,
    /// The event types that are read; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
    /// JSON Pointer into the payload.
    pub path: String,
    /// The unit that is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// JSON Pointer into the payload: the unit of this reading, from which the reading is converted to `unit`.
    /// A reading without this member is in `unit`. A record whose unit cannot be converted is rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_path: Option<String>,
    /// Whether numbers that are written as texts are read, too.
    #[serde(default, skip_serializing_if = "is_false")]
    pub text: bool,
}

/// The place of the status in the payload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusDocument {
    /// JSON Pointer into the payload.
    pub path: String,
    /// The event types that are read; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
}

/// The place of the location in the payload, in degrees. Exactly (0,0) means that the receiver has no fix;
/// such an event does not move the subject.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocationDocument {
    /// JSON Pointer into the payload.
    pub latitude: String,
    /// JSON Pointer into the payload.
    pub longitude: String,
    /// The event types that are read; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
    /// Whether numbers that are written as texts are read, too.
    #[serde(default, skip_serializing_if = "is_false")]
    pub text: bool,
}

const fn is_false(flag: &bool) -> bool {
    !*flag
}
