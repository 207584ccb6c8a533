//! Events: records that passed their contract. [`Entry`] is the part that a history stores.

mod canonical;
mod decimal;
mod doubles;
mod exact;
mod places;
mod tokens;

use std::cell::RefCell;
use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest, Sha256};

use self::canonical::Marks;
pub(crate) use self::canonical::{Except, Spelling};
pub(crate) use self::decimal::Decimal;
pub(crate) use self::doubles::{Doubles, Exact};
pub(crate) use self::exact::{has_long_number, has_odd_fraction, lost_numbers};
pub(crate) use self::tokens::{number_end, string};
use crate::base::error::{Code, Rejection};
use crate::base::id::{EventId, Position, SubjectKey};
use crate::base::time::Timestamp;

/// A record that passed its contract, with its subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The verified tenant and the subject.
    pub subject: SubjectKey,
    /// The part that the history stores.
    pub entry: Arc<Entry>,
    /// The present fields that a view cannot read: names of measures, `status`, `location`. They are counted
    /// when the record is processed.
    pub skipped: Vec<Arc<str>>,
}

/// A version of a contract. A version never changes, so an entry is folded by the same measures, status and
/// location for ever.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContractVersion {
    /// The name of the contract.
    pub contract: Arc<str>,
    /// The number of the version: 0 is the built-in contract, stored versions begin with 1.
    pub number: u32,
}

/// One entry of a subject's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The position in the history.
    pub position: Position,
    /// The origin of the event id, which determines how compactly the id is stored.
    pub id_origin: IdOrigin,
    /// The event type that the contract extracted.
    pub event_type: Arc<str>,
    /// The contract that the event passed. Its measures, status and location feed the view.
    pub contract: Arc<str>,
    /// The version of that contract that read the record; 0: the built-in contract.
    pub contract_version: u32,
    /// When Drover received the event. Every decision uses it, also in a replay.
    pub ingested_at: Timestamp,
    /// The payload as canonical JSON (RFC 8785, but with numbers as they were written).
    pub payload: Arc<str>,
    /// How the ledger placed it; nothing special before it did.
    pub placing: Placing,
}

/// How an entry went into its history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Placing {
    /// Where it went.
    pub arrival: Arrival,
    /// The epoch that its commit made because it changed something settled; 0: it changed nothing
    /// settled.
    pub epoch: u64,
}

/// Where an applied entry went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arrival {
    /// Behind everything before it.
    #[default]
    InOrder,
    /// Into the tail, before newer entries.
    Late,
    /// Into a page: a correction.
    Correction,
}

/// The origin of an event id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdOrigin {
    /// Given by the producer, or the digest of a natural key.
    Given,
    /// The digest of the record without the members that its contract excludes, or of where and
    /// when it was received. At one position, the same id means the same record.
    Record,
}

impl Entry {
    /// Whether two events at this position have the same content. Type and payload are the content;
    /// the time of receipt and the contract's name are not.
    ///
    /// If the id comes from the record, equal ids mean the same event, even if the contract was
    /// fixed between two deliveries and extracts another payload. If two versions of a contract read the
    /// events, their payloads may differ although the records are equal. That cannot be decided, so the
    /// events count as the same.
    pub fn same_content(&self, other: &Self) -> bool {
        let same_record =
            matches!((self.id_origin, other.id_origin), (IdOrigin::Record, IdOrigin::Record));
        let other_version =
            self.contract == other.contract && self.contract_version != other.contract_version;
        same_record
            || other_version
            || (self.event_type == other.event_type && is_same(&self.payload, &other.payload))
    }

    /// The uncompressed size of this entry in bytes, for limits and budgets.
    pub fn plain_size(&self) -> usize {
        const FIXED: usize = 24;
        FIXED + self.position.event_id.as_str().len() + self.event_type.len() + self.payload.len()
    }
}

/// Whether two canonical texts have the same content: their numbers may be spelled differently.
fn is_same(one: &str, other: &str) -> bool {
    one == other || normal(one).is_some_and(|one| Some(one) == normal(other))
}

/// A canonical text with normalized decimals.
fn normal(text: &str) -> Option<Vec<u8>> {
    let (value, exact): (Value, Exact) =
        (serde_json::from_str(text).ok()?, lost_numbers(text).ok()?);
    let marks = Marks { exact: Some(&exact), ..Marks::default() };
    let mut normal = Vec::with_capacity(text.len());
    canonical::write(&value, marks, &mut normal).ok()?;
    Some(normal)
}

/// Maximum length of an event type or contract name, in bytes.
pub const TYPE_LIMIT: usize = 128;

thread_local! {
    /// Buffer for canonical texts. The result is copied with one allocation.
    static TEXT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The RFC 8785 text of a JSON value, except that integers of up to 64 bits keep their digits.
pub fn canonical_json(value: &Value) -> Result<Arc<str>, serde_json::Error> {
    TEXT.with_borrow_mut(|text| {
        text.clear();
        canonical::write(value, Marks::default(), text)?;
        std::str::from_utf8(text).map(Arc::from).map_err(serde::ser::Error::custom)
    })
}

/// The input of a canonical text.
#[derive(Clone, Copy)]
pub(crate) struct Canonical<'a> {
    /// The value.
    pub(crate) value: &'a Value,
    /// The excluded places.
    pub(crate) except: Option<&'a Except>,
    /// How numbers are written that parsing changed.
    pub(crate) spelling: Spelling,
}

impl Canonical<'_> {
    /// Calls `act` with the text, without the excluded places and with exact numbers of any length.
    /// `exact` returns the numbers that the parsed value lost, given the doubles that it has.
    ///
    /// # Errors
    /// `malformed_json`, or the error of `exact`.
    pub(crate) fn with_text<'e, T>(
        self,
        exact: impl FnOnce(Doubles) -> Result<Option<&'e Exact>, Rejection>,
        act: impl FnOnce(&str) -> T,
    ) -> Result<T, Rejection> {
        let none = || Rejection::new(Code::MalformedJson, "the record cannot be canonicalized");
        let Self { value, except, spelling } = self;
        TEXT.with_borrow_mut(|text| {
            text.clear();
            let marks = Marks { except, exact: None, spelling };
            let doubles = canonical::write(value, marks, text).map_err(|_| none())?;
            if doubles > Doubles::None
                && let Some(exact) = exact(doubles)?
            {
                text.clear();
                let marks = Marks { exact: Some(exact), ..marks };
                canonical::write(value, marks, text).map_err(|_| none())?;
            }
            Ok(act(std::str::from_utf8(text).map_err(|_| none())?))
        })
    }
}

/// The id of an event without an id or time: the digest of its source position, which a redelivery
/// repeats.
pub fn place_id(parts: &[&[u8]]) -> EventId {
    EventId::trusted(digest(parts))
}

/// Hex digits of a digest: 128 bits.
const DIGEST_DIGITS: usize = 32;

/// Whether an id has the form of a digest.
pub(crate) fn is_digest(id: &EventId) -> bool {
    let digits = id.as_str().as_bytes();
    digits.len() == DIGEST_DIGITS
        && digits.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// 32 hex digits of SHA-256. Each part is prefixed with its length, so that different lists of
/// parts have different inputs.
pub fn digest(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let hash = hasher.finalize();
    let nibbles = hash.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    let digits = nibbles.filter_map(|nibble| char::from_digit(u32::from(nibble), 16));
    digits.take(DIGEST_DIGITS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_spelled_differently_are_the_same_and_no_others() {
        assert!(is_same(r#"{"a":21.0,"b":[1e2]}"#, r#"{"a":21,"b":[100]}"#));
        assert!(is_same("89014103211118510720", "89014103211118510720.0"));
        assert!(!is_same("89014103211118510720", "89014103211118510721"));
        assert!(!is_same("21.0", "21.1") && !is_same("21", "\"21\""));
    }
}
