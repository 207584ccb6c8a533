//! What views read from the payloads of a contract, as it is written.

use serde::{Deserialize, Serialize};

/// A number whose statistics are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasureDocument {
    /// What it is called: `[a-z0-9_-]{1,64}`.
    pub name: String,
    /// The event types that are read; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
    /// JSON Pointer into the payload.
    pub path: String,
    /// What it is measured in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// JSON Pointer into the payload: the unit that this reading came in. It is converted to `unit`;
    /// where it is absent, the reading is in `unit` already. A record whose unit cannot be converted is
    /// refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_path: Option<String>,
    /// Whether a number that is written as a text is read, too.
    #[serde(default, skip_serializing_if = "is_false")]
    pub text: bool,
}

/// Where the payload has a status.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusDocument {
    /// JSON Pointer into the payload.
    pub path: String,
    /// The event types that are read; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
}

/// Where the payload has a location, in degrees. Exactly (0,0) is no fix of a receiver and moves
/// nothing.
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
