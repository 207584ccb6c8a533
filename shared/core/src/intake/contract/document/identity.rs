//! What an event is about, and which one it is, as it is written.

use serde::{Deserialize, Serialize};

use super::source::SourceDocument;

/// What an event is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectDocument {
    /// The kind, the same for every record.
    pub kind: String,
    /// The id inside the kind.
    pub id: SourceDocument,
    /// What is made of the id, so that its spellings are one subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<Fold>,
}

/// What is made of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fold {
    /// Lower case: for MAC addresses and EUIs.
    Lower,
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
