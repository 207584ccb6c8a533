//! Cursors: where a long answer goes on. To clients a cursor is a word; it holds a version, a
//! fingerprint of the question that it belongs to, and a place. It holds no secret and proves
//! nothing: whoever makes one up gets a page of what they may read anyway, or `invalid_cursor`.

use base64_simd::URL_SAFE_NO_PAD;
use drover_core::base::hash::fnv1a;

use crate::Problem;

/// The longest cursor that is looked at, in characters.
const CHARACTERS: usize = 512;
/// Rises when places are written otherwise.
const VERSION: u8 = 1;
const FINGERPRINT_BYTES: usize = 8;

/// The cursors of one question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursors([u8; FINGERPRINT_BYTES]);

impl Cursors {
    /// Of the question that consists of these parts.
    pub fn of(question: &[&str]) -> Self {
        // No part has a zero byte that could make two questions one: the first is our own, and ids
        // are visible characters. Were there one, a cursor would lead to another page of one's own.
        let text = question.join("\0");
        Self(fnv1a(text.as_bytes()).to_be_bytes())
    }

    /// The cursor of a place.
    pub fn write(self, place: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode_to_string([&[VERSION], self.0.as_slice(), place].concat())
    }

    /// The place of a cursor.
    ///
    /// # Errors
    /// `invalid_cursor`, of another question too.
    pub fn read<T>(
        self,
        cursor: &str,
        place: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<T, Problem> {
        let short = Some(cursor).filter(|text| text.len() <= CHARACTERS);
        let bytes = short.and_then(|text| URL_SAFE_NO_PAD.decode_to_vec(text).ok());
        let own = bytes.as_deref().and_then(|bytes| bytes.strip_prefix(&[VERSION]));
        let own = own.and_then(|bytes| bytes.strip_prefix(self.0.as_slice()));
        own.and_then(place).ok_or_else(|| {
            let detail = "the cursor is none, or that of another question: start again without it";
            Problem::bad_request("invalid_cursor", detail)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn code(cursors: Cursors, cursor: &str) -> Option<&'static str> {
        cursors.read(cursor, |bytes| Some(bytes.to_vec())).err().map(|problem| problem.code())
    }

    proptest! {
        #[test]
        fn a_place_is_read_again(place in proptest::collection::vec(any::<u8>(), 0..200)) {
            let cursors = Cursors::of(&["events", "demo"]);
            let read = cursors.read(&cursors.write(&place), |bytes| Some(bytes.to_vec()));
            prop_assert_eq!(read, Ok(place));
        }

        #[test]
        fn whatever_is_sent_is_a_place_or_invalid(text in ".{0,600}") {
            let read = Cursors::of(&["events"]).read(&text, |bytes| Some(bytes.len()));
            prop_assert!(read.is_ok() || read.is_err_and(|problem| problem.code() == "invalid_cursor"));
        }
    }

    #[test]
    fn a_cursor_of_another_question_or_version_is_invalid() {
        let mine = Cursors::of(&["events", "device/d1", "asc"]);
        let cursor = mine.write(b"place");
        for other in [["events", "device/d1", "desc"], ["events", "device/d2", "asc"]] {
            assert_eq!(code(Cursors::of(&other), &cursor), Some("invalid_cursor"));
        }
        let mut bytes = URL_SAFE_NO_PAD.decode_to_vec(&cursor).expect("base64");
        bytes[0] = 2;
        let newer = URL_SAFE_NO_PAD.encode_to_string(bytes);
        assert_eq!(code(mine, &newer), Some("invalid_cursor"));
        assert_eq!(code(mine, ""), Some("invalid_cursor"));
    }
}
