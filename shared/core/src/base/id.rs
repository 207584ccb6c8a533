//! Ids and positions, checked once. A value of one of these types has passed its alphabet and
//! length, so nothing behind this file looks at them again.
//!
//! A [`SubjectKey`] is the only thing that names stored state, and it is made from a
//! [`TenantScope`](crate::base::scope::TenantScope) and nothing else: every key that is touched starts
//! with the prefix of a tenant that somebody vouched for.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use unicode_normalization::{UnicodeNormalization as _, is_nfc};

use crate::base::error::{Code, Rejection};
use crate::base::excerpt::Excerpt;
use crate::base::time::Timestamp;

/// The longest tenant or kind, in bytes.
pub const NAME_LIMIT: usize = 64;
/// The longest subject id, in bytes.
pub const SUBJECT_LIMIT: usize = 512;
/// The longest subject id as a key has it ([`SubjectId::encoded`]), in bytes: the sort key of the listing
/// index holds the hour beside it and has room for 1,024.
pub const ENCODED_SUBJECT_LIMIT: usize = 900;
/// The longest event id, in bytes.
pub const EVENT_ID_LIMIT: usize = 256;

/// A tenant: `[a-z0-9_-]{1,64}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(Arc<str>);

/// What kind of thing a subject is: `[a-z0-9_-]{1,64}`, for example `device`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(Arc<str>);

/// The id of an event: a text of 1 to 256 bytes without control characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(Arc<str>);

/// What is ordered: a kind, and an id. The id is a text of 1 to 512 bytes without control characters, in
/// Unicode's Normalization Form C: two spellings of one text are one subject.
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
        name(text, "tenant").map(Self)
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
        name(text, "kind").map(Self)
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
        within(text, "event id", EVENT_ID_LIMIT)?;
        no_control(text, "event id")?;
        Ok(Self(Arc::from(text)))
    }

    /// Whether a text can be an id as it is.
    pub(crate) fn fits(text: &str) -> bool {
        (1..=EVENT_ID_LIMIT).contains(&text.len()) && !has_control(text)
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
        const WHAT: &str = "subject id";
        // What is far too long is not worth a normalization, which makes no text three times shorter.
        within(id, WHAT, 3 * SUBJECT_LIMIT)?;
        let id = composed(id);
        within(&id, WHAT, SUBJECT_LIMIT)?;
        no_control(&id, WHAT)?;
        let encoded = encoded_size(&id);
        if encoded > ENCODED_SUBJECT_LIMIT {
            let message = format!(
                "{WHAT} is too long where `#`, `%` and `/` have three bytes each: bytes={encoded} limit={ENCODED_SUBJECT_LIMIT}"
            );
            return Err(Rejection::new(Code::InvalidId, message));
        }
        Ok(Self { kind, id: Arc::from(id) })
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

    /// The id as a key has it: `#`, `%` and `/`, which keys use themselves, are percent-encoded.
    pub fn encoded(&self) -> Cow<'_, str> {
        if self.id.bytes().any(is_encoded) {
            let parts = self.id.chars().map(|one| match one {
                '#' => Cow::Borrowed("%23"),
                '%' => Cow::Borrowed("%25"),
                '/' => Cow::Borrowed("%2F"),
                other => Cow::Owned(other.to_string()),
            });
            return Cow::Owned(parts.collect());
        }
        Cow::Borrowed(&self.id)
    }

    /// Reads [`Self::encoded`]; `None` for a text that it never gives.
    pub fn decoded(kind: Kind, encoded: &str) -> Option<Self> {
        let mut id = String::with_capacity(encoded.len());
        let mut parts = encoded.split('%');
        id.push_str(parts.next()?);
        for part in parts {
            let (code, rest) = part.split_at_checked(2)?;
            id.push(match code {
                "23" => '#',
                "25" => '%',
                "2F" => '/',
                _ => return None,
            });
            id.push_str(rest);
        }
        Self::new(kind, &id).ok().filter(|subject| subject.encoded() == encoded)
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

    /// The partition key of the ledger: `T#<tenant>#S#<kind>#<id>`, with [`SubjectId::encoded`]. No part
    /// can hold a `#`, so two keys are never one text.
    pub fn partition_key(&self) -> String {
        let (tenant, kind) = (self.tenant.as_str(), self.subject.kind.as_str());
        ["T#", tenant, "#S#", kind, "#", &self.subject.encoded()].concat()
    }

    /// How many bytes [`Self::partition_key`] has.
    pub(crate) fn partition_key_size(&self) -> usize {
        let Self { tenant, subject: SubjectId { kind, id } } = self;
        "T##S##".len() + tenant.0.len() + kind.0.len() + encoded_size(id)
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

const fn is_encoded(byte: u8) -> bool {
    matches!(byte, b'#' | b'%' | b'/')
}

/// Bytes of [`SubjectId::encoded`].
fn encoded_size(id: &str) -> usize {
    id.len() + 2 * id.bytes().filter(|byte| is_encoded(*byte)).count()
}

/// In Normalization Form C.
fn composed(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_nfc(text) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.nfc().collect())
}

fn has_control(text: &str) -> bool {
    // Every text that is likely is ASCII, of which many bytes are looked at in one step.
    let ascii = |byte: u8| (b' '..=b'~').contains(&byte);
    !text.bytes().fold(true, |all, byte| all & ascii(byte)) && text.chars().any(char::is_control)
}

fn no_control(text: &str, what: &str) -> Result<(), Rejection> {
    if !has_control(text) {
        return Ok(());
    }
    Err(character(text, what, "no control characters", char::is_control))
}

/// A tenant or a kind.
fn name(text: &str, what: &str) -> Result<Arc<str>, Rejection> {
    within(text, what, NAME_LIMIT)?;
    if text.bytes().fold(true, |all, byte| all & is_name_byte(byte)) {
        return Ok(Arc::from(text));
    }
    let other = |one: char| u8::try_from(one).map_or(true, |byte| !is_name_byte(byte));
    Err(character(text, what, "a-z, 0-9, _ and -", other))
}

fn within(text: &str, what: &str, limit: usize) -> Result<(), Rejection> {
    match text.len() {
        0 => Err(Rejection::new(Code::InvalidId, format!("{what} is an empty text"))),
        length if length <= limit => Ok(()),
        length => {
            let message =
                format!("{what} is too long: {} bytes={length} limit={limit}", Excerpt(text));
            Err(Rejection::new(Code::InvalidId, message))
        }
    }
}

/// The rejection of a text with a character outside its alphabet.
fn character(
    text: &str,
    what: &str,
    alphabet: &str,
    is_foreign: impl Fn(char) -> bool,
) -> Rejection {
    let found = text.chars().enumerate().find(|(_, one)| is_foreign(*one));
    let (index, one) = found.unwrap_or((0, '\u{fffd}'));
    let message = format!(
        "{what} has a character that is not allowed: {one:?} (U+{:04X}) at character {index} of {}; allowed: {alphabet}",
        u32::from(one),
        Excerpt(text),
    );
    Rejection::new(Code::InvalidId, message)
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
        fn a_key_leads_back_to_its_subject_and_never_to_another(
            one in "[#%/a2-5é\u{301} ]{1,8}", other in "[#%/a2-5é\u{301} ]{1,8}",
        ) {
            let kind = Kind::parse("device").expect("a kind");
            let subject = |id: &str| SubjectId::new(kind.clone(), id).expect("a subject");
            let (one, other) = (subject(&one), subject(&other));
            prop_assert_eq!(one == other, one.encoded() == other.encoded());
            prop_assert!(!one.encoded().contains(['#', '/']));
            prop_assert_eq!(SubjectId::decoded(kind.clone(), &one.encoded()), Some(one));
        }

        #[test]
        fn whatever_the_text_an_id_is_normal_or_refused(text in any::<String>()) {
            if let Ok(subject) = SubjectId::new(Kind::parse("device").expect("a kind"), &text) {
                prop_assert!(is_nfc(subject.id()));
                prop_assert_eq!(SubjectId::new(subject.kind().clone(), subject.id()), Ok(subject));
            }
        }

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
        assert!(SubjectId::parse("device/a\tb").is_err());
    }

    #[test]
    fn a_subject_may_have_any_name_that_people_give() {
        for id in
            ["Living Room", "fc%1", "a,b;c'(d)?!*$", "Wohnzimmer/Lämpchen", "温度计", "#1", "🔥"]
        {
            let kind = Kind::parse("device").expect("a kind");
            let subject = SubjectId::new(kind.clone(), id).expect("a subject");
            assert_eq!(subject.id(), id);
            assert_eq!(SubjectId::decoded(kind, &subject.encoded()), Some(subject));
        }
    }

    #[test]
    fn two_spellings_of_one_text_are_one_subject() {
        let subject = |id: &str| SubjectId::parse(&format!("device/{id}")).expect("a subject");
        assert_eq!(subject("Caf\u{e9}"), subject("Cafe\u{301}"));
        assert_ne!(subject("Café"), subject("Cafe"));
        let long = "e\u{301}".repeat(256);
        assert_eq!(subject(&long).id(), "é".repeat(256));
    }

    #[test]
    fn a_rejection_names_the_character_and_the_alphabet() {
        let message = |text: &str| SubjectId::parse(text).expect_err("a rejection").message;
        assert_eq!(
            message("device/a\u{7}b"),
            "subject id has a character that is not allowed: '\\u{7}' (U+0007) at character 1 of \"a\\u{7}b\"; allowed: no control characters"
        );
        assert_eq!(
            message("Pump Station/1"),
            "kind has a character that is not allowed: 'P' (U+0050) at character 0 of \"Pump Station\"; allowed: a-z, 0-9, _ and -"
        );
        let long = message(&format!("device/{}", "x".repeat(513)));
        assert_eq!(
            long,
            format!("subject id is too long: \"{}…\" bytes=513 limit=512", "x".repeat(40))
        );
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
        assert!(EventId::parse(&"!".repeat(256)).is_ok());
        assert!(EventId::parse(&"!".repeat(257)).is_err());
        assert!(EventId::parse("événement 1").is_ok());
        let subject = |id: String| SubjectId::parse(&format!("device/{id}"));
        assert!(subject("x".repeat(512)).is_ok());
        assert!(subject("x".repeat(513)).is_err());
        assert!(subject("%".repeat(300)).is_ok());
        assert!(subject("%".repeat(301)).is_err());
        assert!(EventId::parse("tab\there").is_err());
        assert!(EventId::parse("").is_err());
    }
}
