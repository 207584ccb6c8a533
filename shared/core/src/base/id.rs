//! Ids and positions, checked once. A value of one of these types has passed its alphabet and
//! length, so nothing behind this file looks at them again.
//!
//! A [`SubjectKey`] is the only thing that names stored state, and it is made from a
//! [`TenantScope`](crate::base::scope::TenantScope) and nothing else: every key that is touched starts
//! with the prefix of a tenant that somebody vouched for.

use std::fmt;
use std::sync::Arc;

use crate::base::error::{Code, Rejection};
use crate::base::time::Timestamp;

/// The longest tenant or kind, in bytes.
pub const NAME_LIMIT: usize = 64;
/// The longest subject id or event id, in bytes.
pub const ID_LIMIT: usize = 128;

/// A tenant: `[a-z0-9_-]{1,64}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(Arc<str>);

/// What kind of thing a subject is: `[a-z0-9_-]{1,64}`, for example `device`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(Arc<str>);

/// The id of an event: 1–128 visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(Arc<str>);

/// What is ordered: a kind, and an id of 1–128 of `[A-Za-z0-9._:@~+=/-]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubjectId {
    kind: Kind,
    id: Arc<str>,
}

impl TenantId {
    /// Checks a tenant's name.
    ///
    /// # Errors
    /// `invalid_id`.
    pub fn parse(text: &str) -> Result<Self, Rejection> {
        checked(text, "tenant", NAME_LIMIT, is_name_byte).map(Self)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Kind {
    /// Checks a kind's name.
    ///
    /// # Errors
    /// `invalid_id`.
    pub fn parse(text: &str) -> Result<Self, Rejection> {
        checked(text, "kind", NAME_LIMIT, is_name_byte).map(Self)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl EventId {
    /// Checks an event's id.
    ///
    /// # Errors
    /// `invalid_id`.
    pub fn parse(text: &str) -> Result<Self, Rejection> {
        checked(text, "event id", ID_LIMIT, |byte| byte.is_ascii_graphic()).map(Self)
    }

    /// An id that this crate made itself.
    pub(crate) fn trusted(text: String) -> Self {
        Self(Arc::from(text))
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl SubjectId {
    /// Checks a subject's id under a kind that is checked already.
    ///
    /// # Errors
    /// `invalid_id`.
    pub fn new(kind: Kind, id: &str) -> Result<Self, Rejection> {
        let id = checked(id, "subject id", ID_LIMIT, is_subject_byte)?;
        Ok(Self { kind, id })
    }

    /// Reads `kind/id`. The id may hold further slashes.
    ///
    /// # Errors
    /// `invalid_id`.
    pub fn parse(text: &str) -> Result<Self, Rejection> {
        let (kind, id) = text
            .split_once('/')
            .ok_or_else(|| Rejection::new(Code::InvalidId, "a subject is written kind/id"))?;
        Self::new(Kind::parse(kind)?, id)
    }

    /// The kind.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The id inside its kind.
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// One subject of one tenant: what every ledger key is made from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubjectKey {
    tenant: TenantId,
    subject: SubjectId,
}

impl SubjectKey {
    /// Only a scope makes keys; see [`TenantScope::subject`](crate::base::scope::TenantScope::subject).
    pub(crate) fn new(tenant: TenantId, subject: SubjectId) -> Self {
        Self { tenant, subject }
    }

    /// The tenant whose scope made this key.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The subject inside the tenant.
    pub fn subject(&self) -> &SubjectId {
        &self.subject
    }

    /// The partition key of the ledger: `T#<tenant>#S#<kind>#<id>`. Neither tenant nor kind can
    /// hold a `#`, so two keys are never one text.
    pub fn partition_key(&self) -> String {
        let (tenant, kind) = (self.tenant.as_str(), self.subject.kind.as_str());
        ["T#", tenant, "#S#", kind, "#", self.subject.id()].concat()
    }

    /// How many bytes [`Self::partition_key`] has.
    pub(crate) fn partition_key_size(&self) -> usize {
        let Self { tenant, subject: SubjectId { kind, id } } = self;
        "T##S##".len() + tenant.0.len() + kind.0.len() + id.len()
    }
}

/// The total order inside a subject: by time of observation, then by sequence, then by id as bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// When it was observed, as its producer says.
    pub observed_at: Timestamp,
    /// Orders events of one instant, where their contract says by what; 0 where it says nothing.
    pub sequence: u64,
    /// Breaks ties, and tells two events of one instant apart.
    pub event_id: EventId,
}

/// Bytes of the time in front of a sort key.
const TIME_BYTES: usize = 8;
/// Bytes of the sequence behind the time.
const SEQUENCE_BYTES: usize = 8;

impl Position {
    /// Bytes that sort as the position does: 8 of big-endian microseconds with the sign bit
    /// flipped (so that times before 1970 sort too), 8 of big-endian sequence, then the id.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = time_prefix(self.observed_at).to_vec();
        bytes.extend_from_slice(&self.sequence.to_be_bytes());
        bytes.extend_from_slice(self.event_id.as_str().as_bytes());
        bytes
    }

    /// Reads [`Self::to_bytes`]; `None` for bytes that it never writes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (time, rest) = bytes.split_first_chunk::<TIME_BYTES>()?;
        let (sequence, id) = rest.split_first_chunk::<SEQUENCE_BYTES>()?;
        let micros = i64::from_be_bytes(*time) ^ i64::MIN;
        let sequence = u64::from_be_bytes(*sequence);
        let event_id = EventId::parse(std::str::from_utf8(id).ok()?).ok()?;
        Some(Self { observed_at: Timestamp::from_micros(micros)?, sequence, event_id })
    }
}

/// The bytes that every position observed at this instant starts with, and no earlier one
/// reaches: a bound for ranges of time.
pub fn time_prefix(instant: Timestamp) -> [u8; TIME_BYTES] {
    (instant.micros() ^ i64::MIN).to_be_bytes()
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sequence {
            0 => write!(formatter, "{} {}", self.observed_at, self.event_id),
            sequence => write!(formatter, "{} {sequence} {}", self.observed_at, self.event_id),
        }
    }
}

impl fmt::Display for SubjectId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.kind, self.id)
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-')
}

const fn is_subject_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'.' | b'_' | b':' | b'@' | b'~' | b'+' | b'=' | b'/' | b'-')
}

fn checked(
    text: &str,
    what: &str,
    limit: usize,
    allowed: impl Fn(u8) -> bool,
) -> Result<Arc<str>, Rejection> {
    if text.is_empty() || text.len() > limit {
        let message = format!("{what} has a length outside 1 to {limit}: length={}", text.len());
        return Err(Rejection::new(Code::InvalidId, message));
    }
    // Without an early end, many bytes are looked at in one step.
    if !text.bytes().fold(true, |all, byte| all & allowed(byte)) {
        let message = format!("{what} has a character that is not allowed");
        return Err(Rejection::new(Code::InvalidId, message));
    }
    Ok(Arc::from(text))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn position(micros: i64, sequence: u64, id: &str) -> Position {
        Position {
            observed_at: Timestamp::from_micros(micros).expect("in range"),
            sequence,
            event_id: EventId::parse(id).expect("an id"),
        }
    }

    fn a_position() -> impl Strategy<Value = Position> {
        let sequence = prop_oneof![0u64..3, any::<u64>()];
        (-2i64..2, sequence, "[!-~]{1,4}")
            .prop_map(|(micros, sequence, id)| position(micros, sequence, &id))
    }

    proptest! {
        #[test]
        fn positions_sort_as_their_bytes(left in a_position(), right in a_position()) {
            prop_assert_eq!(left.cmp(&right), left.to_bytes().cmp(&right.to_bytes()));
            prop_assert_eq!(Position::from_bytes(&left.to_bytes()), Some(left));
        }
    }

    #[test]
    fn a_subject_id_may_hold_slashes_and_a_kind_may_not() {
        let subject = SubjectId::parse("device/site-1/pump:7").expect("a subject");
        assert_eq!((subject.kind().as_str(), subject.id()), ("device", "site-1/pump:7"));
        assert!(SubjectId::parse("Device/1").is_err());
        assert!(SubjectId::parse("device").is_err());
        assert!(SubjectId::parse("device/").is_err());
        assert!(SubjectId::parse("device/a b").is_err());
    }

    #[test]
    fn the_size_of_a_partition_key_is_known_without_it() {
        let tenant = TenantId::parse("acme").expect("a tenant");
        let subject = SubjectId::parse("device/site-1/pump:7").expect("a subject");
        let key = SubjectKey::new(tenant, subject);
        assert_eq!(key.partition_key_size(), key.partition_key().len());
    }

    #[test]
    fn ids_are_bounded() {
        assert!(TenantId::parse(&"a".repeat(64)).is_ok());
        assert!(TenantId::parse(&"a".repeat(65)).is_err());
        assert!(EventId::parse(&"!".repeat(128)).is_ok());
        assert!(EventId::parse("tab\there").is_err());
        assert!(EventId::parse("").is_err());
    }
}
