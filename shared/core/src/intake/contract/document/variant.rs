//! How certain records of a contract are read otherwise, as it is written.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::identity::{IdentityDocument, SubjectDocument};
use super::source::{PayloadDocument, SequenceDocument, SourceDocument, TimeDocument};

/// How records with a certain header are read. What it does not name is as in the contract.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VariantDocument {
    /// Which records.
    pub when: WhenDocument,
    /// What the event is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<SubjectDocument>,
    /// The event's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<SourceDocument>,
    /// What identifies an event without an id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<IdentityDocument>,
    /// What orders events of one instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<SequenceDocument>,
    /// How the body is read.
    #[serde(default, skip_serializing_if = "Body::is_json")]
    pub body: Body,
    /// The event's type.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub event_type: Option<SourceDocument>,
    /// When it was observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_at: Option<TimeDocument>,
    /// What history keeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<PayloadDocument>,
    /// JSON Schema of the whole record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
}

/// Records whose header says exactly this.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhenDocument {
    /// Name of the header.
    pub header: String,
    /// Its text.
    pub equals: String,
}

/// How the body of a record is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Body {
    /// It must be JSON.
    #[default]
    Json,
    /// It may be anything: JSON where its media type or its text says so, else a text; bytes are a text
    /// in base64; none is null.
    Any,
}

impl Body {
    const fn is_json(&self) -> bool {
        matches!(self, Self::Json)
    }
}
