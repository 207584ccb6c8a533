//! Varints, texts and columns: what the layouts of heads and pages are written with. Reading is
//! total: every length is checked against what is left.

use std::sync::Arc;

use crate::base::id::EventId;
use crate::base::time::Timestamp;
use crate::event::Entry;

/// A value that cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot be encoded: {0}")]
pub struct Unwritable(pub(crate) &'static str);

/// Bytes that this version does not understand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stored bytes cannot be read: {0}")]
pub struct Malformed(pub(crate) &'static str);

/// What most views take, so that writing one allocates once.
pub(super) const VIEW_ROOM: usize = 512;

const CUT: Malformed = Malformed("they end too early");

/// Bytes under construction.
#[derive(Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn with_room(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes) }
    }

    /// With room for the texts of these entries and a view.
    pub(super) fn for_texts(entries: &[Arc<Entry>]) -> Self {
        let texts: usize = entries.iter().map(|entry| entry.plain_size()).sum();
        Self::with_room(VIEW_ROOM + texts)
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// LEB128: seven bits a byte, the lowest first.
    #[expect(clippy::cast_possible_truncation, reason = "each byte takes the seven lowest bits")]
    pub(super) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.byte(number as u8 | 0x80);
            number >>= 7;
        }
        self.byte(number as u8);
    }

    /// Zigzag: numbers near zero stay short on both sides.
    #[expect(clippy::cast_sign_loss, reason = "zigzag moves the sign into the lowest bit")]
    pub(super) fn signed(&mut self, number: i64) {
        self.number(((number << 1) ^ (number >> 63)) as u64);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.bytes(text.as_bytes());
    }

    /// A text that holds no line feed, as canonical JSON and ids never do.
    pub(super) fn line(&mut self, text: &str) {
        self.bytes(text.as_bytes());
        self.byte(b'\n');
    }

    /// Writes each distinct name once; gives the index of each.
    pub(super) fn names<'a>(&mut self, names: impl Iterator<Item = &'a Arc<str>>) -> Vec<u64> {
        let mut table: Vec<&'a Arc<str>> = Vec::new();
        let mut indices = Vec::with_capacity(names.size_hint().0);
        for name in names {
            // Nearly always the very same text, which then need not be looked at.
            let same = |other: &&Arc<str>| Arc::ptr_eq(other, name) || *other == name;
            let known = table.iter().position(same);
            let index = known.unwrap_or_else(|| {
                table.push(name);
                table.len() - 1
            });
            indices.push(index as u64);
        }
        self.number(table.len() as u64);
        for name in table {
            self.text(name);
        }
        indices
    }

    /// One number, where all are equal; else each of them. Behind a byte that says which.
    pub(super) fn column(&mut self, numbers: impl Iterator<Item = u64> + Clone) {
        let mut rest = numbers.clone();
        let first = rest.next().unwrap_or(0);
        if rest.all(|number| number == first) {
            self.byte(0);
            self.number(first);
            return;
        }
        self.byte(1);
        for number in numbers {
            self.number(number);
        }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Bytes being read.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn byte(&mut self) -> Result<u8, Malformed> {
        let (byte, rest) = self.rest.split_first().ok_or(CUT)?;
        self.rest = rest;
        Ok(*byte)
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (bytes, rest) = self.rest.split_at_checked(count).ok_or(CUT)?;
        self.rest = rest;
        Ok(bytes)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>().ok_or(CUT)?;
        self.rest = rest;
        Ok(*bytes)
    }

    pub(super) fn number(&mut self) -> Result<u64, Malformed> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Malformed("a number of more than 64 bits"))
    }

    #[expect(clippy::cast_possible_wrap, reason = "zigzag moves the sign back")]
    pub(super) fn signed(&mut self) -> Result<i64, Malformed> {
        let number = self.number()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// A number of things, each of which takes at least part of a byte of what was stored: a
    /// count that memory could not hold is refused before anything is allocated for it.
    pub(super) fn count(&mut self) -> Result<usize, Malformed> {
        const MOST: usize = 1 << 20;
        let count = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        if count > MOST { Err(Malformed("a count over every limit")) } else { Ok(count) }
    }

    pub(super) fn prefixed(&mut self) -> Result<&'a [u8], Malformed> {
        let count = self.count()?;
        self.bytes(count)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Malformed> {
        utf8(self.prefixed()?)
    }

    pub(super) fn line(&mut self) -> Result<&'a str, Malformed> {
        let end = self.rest.iter().position(|byte| *byte == b'\n').ok_or(CUT)?;
        let line = self.bytes(end)?;
        self.byte()?;
        utf8(line)
    }

    pub(super) fn names(&mut self) -> Result<Vec<Arc<str>>, Malformed> {
        let count = self.count()?;
        (0..count).map(|_| self.text().map(Arc::from)).collect()
    }

    pub(super) fn column(&mut self, count: usize) -> Result<Vec<u64>, Malformed> {
        match self.byte()? {
            0 => Ok(vec![self.number()?; count]),
            1 => (0..count).map(|_| self.number()).collect(),
            _ => Err(Malformed("an unknown kind of column")),
        }
    }

    /// Everything that is left.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(bytes).map_err(|_| Malformed("a text that is not UTF-8"))
}

pub(super) fn instant(micros: i64) -> Result<Timestamp, Malformed> {
    Timestamp::from_micros(micros).ok_or(Malformed("a time out of range"))
}

pub(super) fn event_id(text: &str) -> Result<EventId, Malformed> {
    EventId::parse(text).map_err(|_| Malformed("an event id out of its alphabet"))
}
