//! The document of a variant: another way to read certain records of a contract.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::identity::{IdentityDocument, SubjectDocument};
use super::source::{PayloadDocument, SequenceDocument, SourceDocument, TimeDocument};

/// How records with a certain header are read. Absent fields are those of the contract.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VariantDocument {
    /// The records to which the variant applies.
    pub when: WhenDocument,
    /// The subject of the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<SubjectDocument>,
    /// The id of the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<SourceDocument>,
    /// The identity of an event without an id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<IdentityDocument>,
    /// The order of events with one time of observation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<SequenceDocument>,
    /// How the body is read.
    #[serde(default, skip_serializing_if = "Body::is_json")]
    pub body: Body,
    /// The type of the event.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub event_type: Option<SourceDocument>,
    /// The time of observation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_at: Option<TimeDocument>,
    /// The part of the record that history keeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<PayloadDocument>,
    /// The JSON Schema of the whole record, or of each element.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
}

/// A header and its exact value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhenDocument {
    /// The name of the header.
    pub header: String,
    /// The text of the header.
    pub equals: String,
}

/// How the body of a record is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Body {
    /// The body must be JSON.
    #[default]
    Json,
    /// The body may have any format: JSON if its media type or its text is JSON, else a text. Bytes become a
    /// text in base64, and an absent body becomes null.
    Any,
}

impl Body {
    const fn is_json(&self) -> bool {
        matches!(self, Self::Json)
    }
}
