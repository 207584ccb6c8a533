//! A contract as it is written: the vocabulary, and nothing about what it means.

mod identity;
mod source;
mod transform;
mod variant;
mod view;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::identity::{Fold, IdentityDocument, SubjectDocument};
pub(crate) use self::source::always_given;
pub use self::source::{
    Digits, PayloadDocument, SequenceDocument, SourceDocument, TimeDocument, TimeFormat,
};
pub use self::transform::TransformDocument;
pub use self::variant::{Body, VariantDocument, WhenDocument};
pub use self::view::{LocationDocument, MeasureDocument, StatusDocument};
use crate::intake::document::{self, CompiledSchema, DocumentKind};
use crate::intake::fault::Fault;

static SHAPE: CompiledSchema = CompiledSchema::new(|| document::compiled(DocumentKind::Contract));

/// How one foreign JSON shape becomes an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContractDocument {
    /// What it is called: `[a-z0-9_-]{1,64}`.
    pub name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Media types whose records this contract reads. Over HTTP they choose it where the request names
    /// none. A record that says one of them is read as the contract says, whatever its `variants` say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media_types: Vec<String>,
    /// How strictly JSON is read.
    #[serde(default, skip_serializing_if = "Syntax::is_strict")]
    pub syntax: Syntax,
    /// How a request whose body is a JSON array is read. A Kafka record is one record, whatever its JSON is.
    #[serde(default, skip_serializing_if = "Arrays::are_split")]
    pub array: Arrays,
    /// A program in jq that makes elements of a record: each output is one, and is read by the fields
    /// below as if it had come alone. No output: the record is ignored. Everything below that is a path
    /// is a path into the element, but for those of `identity`.
    ///
    /// The program knows `$key`, `$topic`, `$headers` (texts by name; credentials are left out) and
    /// `$received`. Loops, definitions, regular expressions and what looks outside may not be used; how
    /// much it may do follows from the length of the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transform: Option<TransformDocument>,
    /// Records, or elements, that are ignored: each is acknowledged and counted, and becomes no dead letter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<IgnoreDocument>,
    /// What the event is about.
    pub subject: SubjectDocument,
    /// The event's id. Where a record has none, see `identity`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<SourceDocument>,
    /// What identifies an event whose record has no event id. Absent: its whole record, or where it
    /// was read if the record has no time of its own either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<IdentityDocument>,
    /// What orders events of one instant. Absent: their ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<SequenceDocument>,
    /// The event's type.
    #[serde(rename = "type")]
    pub event_type: SourceDocument,
    /// Absent: records have no time of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_at: Option<TimeDocument>,
    /// What a record without a time of its own means.
    #[serde(default)]
    pub without_time: WithoutTime,
    /// The tenant that a record names. It never overrides a verified one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<SourceDocument>,
    /// What history keeps.
    pub payload: PayloadDocument,
    /// JSON Schema 2020-12 of the whole record, or of each element.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// Numbers whose statistics are kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub measures: Vec<MeasureDocument>,
    /// Where the payload has a status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusDocument>,
    /// Where the payload has a location.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<LocationDocument>,
    /// How certain records are read otherwise; the first that applies counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<VariantDocument>,
}

/// How strictly JSON is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Syntax {
    /// As RFC 8259 says.
    #[default]
    Strict,
    /// `NaN` and `Infinity`, which are no JSON, are read as null.
    Lenient,
}

/// How a request whose body is a JSON array is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arrays {
    /// Each element of the array is a record.
    #[default]
    Split,
    /// The array is one record, as it is in a Kafka topic.
    Record,
}

/// Records that are no events: a source and the values that it has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IgnoreDocument {
    /// `path`, `header`, `key`, `topic`, or `first` of several.
    #[serde(flatten)]
    pub source: SourceDocument,
    /// The values. A header, the key and the topic are texts.
    #[serde(rename = "in")]
    pub values: Vec<Value>,
}

/// What a record without a time of its own means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WithoutTime {
    /// `missing_field`.
    #[default]
    Reject,
    /// Observed when it was received.
    Received,
}

impl ContractDocument {
    /// Reads a document. Its shape is right then; whether it describes a contract, compiling
    /// shows.
    ///
    /// # Errors
    /// Every fault of the shape.
    pub fn parse(json: &str) -> Result<Self, Vec<Fault>> {
        Self::read(&document::parse(json)?)
    }

    /// Whether the id of an event without one is the digest of its record.
    pub(crate) fn identified_by_record(&self) -> bool {
        let natural_key = self.identity.as_ref().is_some_and(|identity| !identity.of.is_empty());
        !natural_key && !always_given(self.event_id.as_ref())
    }

    /// The contract as a variant has it.
    pub(crate) fn overlaid(&self, variant: &VariantDocument) -> Self {
        let usual = self.clone();
        let event_id = variant.event_id.clone().or(usual.event_id);
        // Where the variant always has an id, the usual identity is not read and is no fault.
        let inherited = usual.identity.filter(|_| !always_given(event_id.as_ref()));
        Self {
            subject: variant.subject.clone().unwrap_or(usual.subject),
            event_id,
            identity: variant.identity.clone().or(inherited),
            sequence: variant.sequence.clone().or(usual.sequence),
            event_type: variant.event_type.clone().unwrap_or(usual.event_type),
            observed_at: variant.observed_at.clone().or(usual.observed_at),
            payload: variant.payload.clone().unwrap_or(usual.payload),
            schema: variant.schema.clone().or(usual.schema),
            ..usual
        }
    }

    /// Reads a document that is parsed already.
    pub(crate) fn read(document: &Value) -> Result<Self, Vec<Fault>> {
        document::read(document, &SHAPE)
    }
}

impl Arrays {
    const fn are_split(&self) -> bool {
        matches!(self, Self::Split)
    }
}

impl Syntax {
    const fn is_strict(&self) -> bool {
        matches!(self, Self::Strict)
    }
}
