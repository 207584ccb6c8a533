//! A contract as it is written: the vocabulary, and nothing about what it means.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::base::time::Timestamp;
use crate::intake::document::{self, CompiledSchema};
use crate::intake::fault::Fault;

static SHAPE: CompiledSchema =
    CompiledSchema::new(|| document::compiled(include_str!("../document/contract.schema.json")));

/// How one foreign JSON shape becomes an event.
///
/// Beyond what `{"path"}`, `{"header"}` and `{"const"}` can say, CloudEvents needs two words:
/// - a source may be `{"first":[…]}`: of several sources the first that is there (`subject`, else
///   `source`);
/// - `variants`: a record with a certain header is read otherwise (binary mode).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContractDocument {
    /// What it is called: `[a-z0-9_-]{1,64}`.
    pub name: String,
    /// A program in jq that makes elements of a record: each output is one, and is read by the fields
    /// below as if it had come alone. No output: the record is ignored. Everything below that is a path
    /// is a path into the element, but for those of `identity`.
    ///
    /// The program knows `$key`, `$topic`, `$headers` (texts by name; credentials are left out) and
    /// `$received`. Loops, definitions, regular expressions and what looks outside may not be used; how
    /// much it may do follows from the length of the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transform: Option<String>,
    /// What the event is about.
    pub subject: SubjectDocument,
    /// The event's id. Where a record has none, see `identity`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<SourceDocument>,
    /// What identifies an event whose record has no event id. Absent: its whole record, or where it
    /// was read if the record has no time of its own either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<IdentityDocument>,
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
    /// What history keeps: `path`, or `first` of several, and `default`.
    pub payload: SourceDocument,
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

/// What an event is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectDocument {
    /// The kind, the same for every record.
    pub kind: String,
    /// The id inside the kind.
    pub id: SourceDocument,
}

/// What identifies an event without an id: exactly one of `except` and `of`. The id is a digest of
/// the contract's name and of this, whatever the contract extracts from the record, so that a
/// record that is delivered again is a duplicate although its contract was mended in between.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityDocument {
    /// JSON Pointers into the record: the id is the digest of the record's canonical JSON less
    /// these (the time at which it was sent, a number of attempts), and of the headers that `type`
    /// is read from. Two records of one time that differ in nothing else are one event, and the
    /// first counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
    /// Sources of a natural key: the id is the digest of what they find. What is absent counts as
    /// absent, which is not an empty text; if all are absent, the record is `missing_field`. Two
    /// records of one time and one key with different content are `payload_mismatch`, as two with
    /// one event id are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub of: Vec<SourceDocument>,
}

/// Where to find one thing: exactly one of `path`, `header`, `const` and `first`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceDocument {
    /// JSON Pointer into the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Name of a header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// The thing itself.
    #[serde(
        default,
        rename = "const",
        deserialize_with = "there",
        skip_serializing_if = "Option::is_none"
    )]
    pub constant: Option<Value>,
    /// Sources of which the first counts that is there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub first: Vec<SourceDocument>,
    /// What it is where it is absent.
    #[serde(default, deserialize_with = "there", skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
}

/// Where to find a time: exactly one of `path`, `header` and `first`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeDocument {
    /// JSON Pointer into the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Name of a header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// Sources of which the first counts that is there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub first: Vec<SourceDocument>,
    /// How it is written.
    #[serde(default)]
    pub format: TimeFormat,
}

/// How a time is written. A header that is typed as a time needs none of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TimeFormat {
    /// RFC 3339 text with an offset.
    #[default]
    Rfc3339,
    /// A number, or its text: below 10^11 seconds, below 10^14 milliseconds, else microseconds.
    Epoch,
    /// Either.
    Any,
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
    /// Events ingested from here on are read. Stamped when the contract is applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

/// Where the payload has a status.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusDocument {
    /// JSON Pointer into the payload.
    pub path: String,
}

/// Where the payload has a location, in degrees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocationDocument {
    /// JSON Pointer into the payload.
    pub latitude: String,
    /// JSON Pointer into the payload.
    pub longitude: String,
}

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
    /// The event's type.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub event_type: Option<SourceDocument>,
    /// When it was observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_at: Option<TimeDocument>,
    /// What history keeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<SourceDocument>,
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

/// A null that is written is a value, and not the absence of one.
fn there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Whether every event has an id, whatever its record says.
pub(super) fn always_given(event_id: Option<&SourceDocument>) -> bool {
    event_id.is_some_and(|source| {
        let constant = |source: &SourceDocument| source.constant.is_some();
        source.default.is_some() || constant(source) || source.first.iter().any(constant)
    })
}
