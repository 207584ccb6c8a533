//! The document of a contract: its vocabulary, without the meaning of the words.

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

/// How the JSON of one producer becomes events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContractDocument {
    /// The name: `[a-z0-9_-]{1,64}`.
    pub name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Media types whose records this contract reads. An HTTP request that names no contract is read by the
    /// contract of its media type. `variants` do not apply to a record with one of these media types.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media_types: Vec<String>,
    /// How strictly JSON is read.
    #[serde(default, skip_serializing_if = "Syntax::is_strict")]
    pub syntax: Syntax,
    /// How a request whose body is a JSON array is read. The value of a Kafka record is always one record.
    #[serde(default, skip_serializing_if = "Arrays::are_split")]
    pub array: Arrays,
    /// A jq program that makes elements of a record. Each output is an element, and the fields below read
    /// each element like a record of its own. A record without an output is ignored. The paths below are
    /// paths into the element, except the paths of `identity.except`.
    ///
    /// The program may read `$key`, `$topic`, `$headers` (texts by name, without credentials) and
    /// `$received`. Loops, definitions, regular expressions and filters that read anything outside the
    /// record are refused. The length of the record limits the steps of the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transform: Option<TransformDocument>,
    /// Records or elements that are ignored. Each is acknowledged and counted, and becomes no dead letter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<IgnoreDocument>,
    /// The subject of the event.
    pub subject: SubjectDocument,
    /// The id of the event. `identity` applies to records without an id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<SourceDocument>,
    /// The identity of an event without an event id. Absent: the whole record, or the place where the record
    /// was read, if the record has no time of its own either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<IdentityDocument>,
    /// The order of events with one time of observation. Absent: the order of their ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<SequenceDocument>,
    /// The type of the event.
    #[serde(rename = "type")]
    pub event_type: SourceDocument,
    /// The time of observation. Absent: records have no time of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_at: Option<TimeDocument>,
    /// How a record without a time of its own is read.
    #[serde(default)]
    pub without_time: WithoutTime,
    /// The tenant that a record names. This name never overrides the verified tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<SourceDocument>,
    /// The part of the record that history keeps.
    pub payload: PayloadDocument,
    /// The JSON Schema (2020-12) of the whole record, or of each element.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// Numbers whose statistics are kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub measures: Vec<MeasureDocument>,
    /// The place of the status in the payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusDocument>,
    /// The place of the location in the payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<LocationDocument>,
    /// Other ways to read certain records; the first variant that applies counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<VariantDocument>,
}

/// How strictly JSON is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Syntax {
    /// JSON as in RFC 8259.
    #[default]
    Strict,
    /// `NaN` and `Infinity`, which are not JSON, are read as null.
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

/// Records that are ignored: a source, and its values in these records.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IgnoreDocument {
    /// `path`, `header`, `key`, `topic`, or `first` of several.
    #[serde(flatten)]
    pub source: SourceDocument,
    /// The values of the source. Headers, the key and the topic are texts.
    #[serde(rename = "in")]
    pub values: Vec<Value>,
}

/// How a record without a time of its own is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WithoutTime {
    /// The record is rejected as `missing_field`.
    #[default]
    Reject,
    /// The time of receipt is the time of observation.
    Received,
}

impl ContractDocument {
    /// Reads a document and checks its shape. [`Contract::compile`](super::Contract::compile) checks the rest.
    ///
    /// # Errors
    /// Every fault of the shape.
    pub fn parse(json: &str) -> Result<Self, Vec<Fault>> {
        Self::read(&document::parse(json)?)
    }

    /// Whether the digest of the record is the id of an event that brings no id.
    pub(crate) fn identified_by_record(&self) -> bool {
        let natural_key = self.identity.as_ref().is_some_and(|identity| !identity.of.is_empty());
        !natural_key && !always_given(self.event_id.as_ref())
    }

    /// The contract with the fields of a variant.
    pub(crate) fn overlaid(&self, variant: &VariantDocument) -> Self {
        let usual = self.clone();
        let event_id = variant.event_id.clone().or(usual.event_id);
        // If the variant always has an id, the identity of the contract is never read, which is not a fault.
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

    /// Reads a parsed document and checks its shape.
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
