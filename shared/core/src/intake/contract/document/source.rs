//! Where a record says something: the sources of a contract as they are written.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// Where to find one thing: exactly one of `path`, `header`, `key`, `topic`, `const` and `first`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceDocument {
    /// JSON Pointer into the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Name of a header: Kafka's and HTTP's alike, whatever its case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// The record's Kafka key, as a text. Over HTTP there is none.
    #[serde(default, skip_serializing_if = "is_false")]
    pub key: bool,
    /// The name of the record's topic. Over HTTP there is none.
    #[serde(default, skip_serializing_if = "is_false")]
    pub topic: bool,
    /// The thing itself.
    #[serde(
        default,
        rename = "const",
        deserialize_with = "there",
        skip_serializing_if = "Option::is_none"
    )]
    pub constant: Option<Value>,
    /// Sources of which the first counts that says something: what is absent, null or an empty text
    /// says nothing, nor does a time that stands for none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub first: Vec<SourceDocument>,
    /// What it is where it is absent.
    #[serde(default, deserialize_with = "there", skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
}

/// What history keeps of a record.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PayloadDocument {
    /// `path`, or `first` of several, and `default`.
    #[serde(flatten)]
    pub source: SourceDocument,
    /// JSON Pointers into the payload: members that are not kept (the time at which it was sent, a
    /// number of attempts), so that two deliveries which differ in them only have the same content.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
}

/// What orders events of one instant: exactly one source, or `offset`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SequenceDocument {
    /// A number from 0 to 2^63-1, or its text; where it is absent, 0.
    #[serde(flatten)]
    pub source: SourceDocument,
    /// How a text writes the number.
    #[serde(default, skip_serializing_if = "Digits::are_decimal")]
    pub digits: Digits,
    /// The record's Kafka offset; over HTTP, the event's index in its request. Right for producers
    /// whose order in the partition is their order. Each offset is a position of its own: a reading
    /// that the producer writes twice counts twice.
    #[serde(default, skip_serializing_if = "is_false")]
    pub offset: bool,
}

/// How a text writes a whole number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Digits {
    /// `0` to `9`.
    #[default]
    Decimal,
    /// `0` to `9` and `a` to `f` in either case, with or without `0x` before them. A JSON number is read as
    /// the number that it is.
    Hexadecimal,
}

/// Where to find a time: exactly one of `path`, `header`, `key` and `first`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeDocument {
    /// JSON Pointer into the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Name of a header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// The record's Kafka key.
    #[serde(default, skip_serializing_if = "is_false")]
    pub key: bool,
    /// Sources of which the first counts that says something. 0 and times of the year 1 stand for no
    /// time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub first: Vec<SourceDocument>,
    /// How it is written.
    #[serde(default)]
    pub format: TimeFormat,
    /// Where times without an offset are local: a name of the IANA time zone database
    /// (`Europe/Berlin`) or an offset (`+02:00`). An hour that occurs twice is the first; a time that
    /// does not occur is moved on by what the clock skipped. Without a zone such a time is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

/// How a time is written. A header that is typed as a time needs none of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TimeFormat {
    /// RFC 3339 text with an offset, or without where there is a zone.
    #[default]
    Rfc3339,
    /// A number, or its text: below 10^11 seconds, below 10^14 milliseconds, below 10^17 microseconds,
    /// else nanoseconds.
    Epoch,
    /// Either.
    Any,
    /// A text of this pattern, in the words of `strftime`: `%Y-%m-%d %H:%M:%S`.
    Pattern(String),
}

impl Digits {
    const fn are_decimal(&self) -> bool {
        matches!(self, Self::Decimal)
    }
}

impl TimeDocument {
    /// The place alone.
    pub(crate) fn source(&self) -> SourceDocument {
        SourceDocument {
            path: self.path.clone(),
            header: self.header.clone(),
            key: self.key,
            first: self.first.clone(),
            ..SourceDocument::default()
        }
    }
}

/// A null that is written is a value, and not the absence of one.
fn there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// Whether every event has an id, whatever its record says.
pub(crate) fn always_given(event_id: Option<&SourceDocument>) -> bool {
    event_id.is_some_and(|source| {
        let constant = |source: &SourceDocument| source.constant.is_some();
        source.default.is_some() || constant(source) || source.first.iter().any(constant)
    })
}
