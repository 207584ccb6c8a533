//! Cursors for paging. A cursor is opaque to clients. It encodes a version, a fingerprint of the
//! query it belongs to, and a position. It holds no secret and grants nothing: a forged cursor
//! yields a page that the client may read anyway, or `invalid_cursor`.

use base64_simd::URL_SAFE_NO_PAD;
use drover_core::base::hash::fnv1a;

use crate::Problem;

/// Maximum length of a cursor, in characters. The longest position is that of a subject in a listing: an
/// encoded id of 900 bytes, each of which JSON may escape.
const CHARACTERS: usize = 4_096;
/// Increases when the encoding of positions changes.
const VERSION: u8 = 1;
const FINGERPRINT_BYTES: usize = 8;

/// The cursors of one query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursors([u8; FINGERPRINT_BYTES]);

impl Cursors {
    /// The cursors of the query with these parts.
    pub fn of(question: &[&str]) -> Self {
        // The parts contain no zero byte, so two queries never collide: the first part is ours, and
        // ids are visible characters. After a collision a cursor would only lead to another page of
        // the same tenant.
        let text = question.join("\0");
        Self(fnv1a(text.as_bytes()).to_be_bytes())
    }

    /// Encodes a position as a cursor.
    pub fn write(self, place: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode_to_string([&[VERSION], self.0.as_slice(), place].concat())
    }

    /// Decodes the position of a cursor.
    ///
    /// # Errors
    /// `invalid_cursor`, also for a cursor of another query.
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
            let detail =
                "the cursor is invalid or belongs to another query, start again without it";
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
        fn a_written_position_is_read_back(place in proptest::collection::vec(any::<u8>(), 0..2_000)) {
            let cursors = Cursors::of(&["events", "demo"]);
            let read = cursors.read(&cursors.write(&place), |bytes| Some(bytes.to_vec()));
            prop_assert_eq!(read, Ok(place));
        }

        #[test]
        fn every_text_is_a_position_or_invalid(text in ".{0,600}") {
            let read = Cursors::of(&["events"]).read(&text, |bytes| Some(bytes.len()));
            prop_assert!(read.is_ok() || read.is_err_and(|problem| problem.code() == "invalid_cursor"));
        }
    }

    #[test]
    fn a_cursor_of_another_query_or_version_is_invalid() {
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
