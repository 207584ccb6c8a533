//! The document of sources: the places of a record from which a contract reads.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// The source of one value: exactly one of `path`, `header`, `key`, `topic`, `const` and `first`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceDocument {
    /// JSON Pointer into the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The name of a Kafka or HTTP header, in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// The Kafka key of the record, as a text. HTTP requests have no key.
    #[serde(default, skip_serializing_if = "is_false")]
    pub key: bool,
    /// The topic of the record. HTTP requests have no topic.
    #[serde(default, skip_serializing_if = "is_false")]
    pub topic: bool,
    /// This value.
    #[serde(
        default,
        rename = "const",
        deserialize_with = "there",
        skip_serializing_if = "Option::is_none"
    )]
    pub constant: Option<Value>,
    /// Alternatives. The first source with a value counts. An absent value, null and an empty text are no
    /// values, nor is a time that means no time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub first: Vec<SourceDocument>,
    /// The value if the source finds none.
    #[serde(default, deserialize_with = "there", skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
}

/// The part of a record that history keeps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PayloadDocument {
    /// `path`, `const` or `first`, and `default`.
    #[serde(flatten)]
    pub source: SourceDocument,
    /// JSON Pointers into the payload: members that are not kept, for example the time of sending or a number
    /// of attempts. Two deliveries that differ only in these members have the same content.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
}

/// The order of events with one time of observation: exactly one source, or `offset`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SequenceDocument {
    /// A number from 0 to 2^63-1, or its text; 0 if it is absent.
    #[serde(flatten)]
    pub source: SourceDocument,
    /// How a text writes the number.
    #[serde(default, skip_serializing_if = "Digits::are_decimal")]
    pub digits: Digits,
    /// The Kafka offset of the record, or the index of the event in its HTTP request. For producers that write
    /// their events in order. Each offset is another position, so a reading that the producer writes twice
    /// counts twice.
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

/// The source of a time: exactly one of `path`, `header`, `key` and `first`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeDocument {
    /// JSON Pointer into the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The name of a header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// The Kafka key of the record.
    #[serde(default, skip_serializing_if = "is_false")]
    pub key: bool,
    /// Alternatives. The first source with a value counts. 0 and times of the year 1 mean no time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub first: Vec<SourceDocument>,
    /// The format of the time.
    #[serde(default)]
    pub format: TimeFormat,
    /// The time zone of times without an offset: a name of the IANA time zone database (`Europe/Berlin`) or
    /// an offset (`+02:00`). If an hour occurs twice, the first hour counts. If the clock skips a time, the
    /// time is moved forward by the skipped duration. Without a zone, a time without an offset is rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

/// The format of a time. Headers with an AMQP timestamp are read in every format.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TimeFormat {
    /// A text in RFC 3339 with an offset. With a zone, the offset may be absent.
    #[default]
    Rfc3339,
    /// A number, or its text, since 1970: seconds below 10^11, milliseconds below 10^14, microseconds below
    /// 10^17, else nanoseconds.
    Epoch,
    /// `Rfc3339` or `Epoch`.
    Any,
    /// A text of this `strftime` pattern, for example `%Y-%m-%d %H:%M:%S`.
    Pattern(String),
}

impl Digits {
    const fn are_decimal(&self) -> bool {
        matches!(self, Self::Decimal)
    }
}

impl TimeDocument {
    /// The source without format and zone.
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

/// A null in the document is a value and does not mean an absent field.
fn there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// Whether every event has an id, because the source has a constant or a default.
pub(crate) fn always_given(event_id: Option<&SourceDocument>) -> bool {
    event_id.is_some_and(|source| {
        let constant = |source: &SourceDocument| source.constant.is_some();
        source.default.is_some() || constant(source) || source.first.iter().any(constant)
    })
}
