//! The document of subject and identity.

use serde::{Deserialize, Serialize};

use super::source::SourceDocument;

/// The subject of an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectDocument {
    /// The kind, which all records share.
    pub kind: String,
    /// The id within the kind.
    pub id: SourceDocument,
    /// A conversion of the id, so that different spellings name one subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<Fold>,
}

/// A conversion of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fold {
    /// To lower case, for MAC addresses and EUIs.
    Lower,
}

/// The identity of an event without an id: exactly one of `except` and `of`. The id of the event is a
/// digest of this identity and the contract's name, independent of the extracted payload. A redelivered
/// record is therefore a duplicate, even if its contract was corrected in the meantime.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityDocument {
    /// JSON Pointers into the record. The id is the digest of the canonical JSON of the record without these
    /// members (for example the time of sending, or a number of attempts), and of the headers that `type`
    /// reads. Two records of one time that differ only in these members are one event, and the first record
    /// counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
    /// Sources of a natural key. The id is the digest of their values. An absent value differs from an empty
    /// text; a record in which all values are absent is rejected as `missing_field`. Two records with the
    /// same time and key but different content are `payload_mismatch`, like two records with one event id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub of: Vec<SourceDocument>,
}
