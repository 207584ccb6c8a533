//! Where the tokens of a JSON text end. The text must be valid JSON.

/// The string that begins at `start`: where it ends, and whether it has escapes.
pub(crate) fn string(json: &[u8], start: usize) -> (usize, bool) {
    let (mut at, mut has_escapes) = (start + 1, false);
    loop {
        at = quote_or_escape(json, at);
        match json.get(at) {
            Some(b'\\') => (at, has_escapes) = (at + 2, true),
            Some(_) => return (at + 1, has_escapes),
            None => return (at, has_escapes),
        }
    }
}

/// Where the next quotation mark or backslash is. Most strings are too short for `memchr`, so eight bytes are
/// compared at a time.
fn quote_or_escape(json: &[u8], mut at: usize) -> usize {
    while let Some(word) = json.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*word);
        let found = zero_bytes(word ^ (ONES * u64::from(b'"')))
            | zero_bytes(word ^ (ONES * u64::from(b'\\')));
        if found != 0 {
            return at + (found.trailing_zeros() / u8::BITS) as usize;
        }
        at += size_of::<u64>();
    }
    let rest = json.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| !matches!(byte, b'"' | b'\\')).count()
}

/// A one in each byte.
const ONES: u64 = u64::MAX / 0xff;

/// The highest bit of the bytes that are zero. Only the lowest such bit is certain.
const fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & (ONES << 7)
}

/// The end of the number that begins at `start`.
pub(crate) fn number_end(json: &[u8], start: usize) -> usize {
    let rest = json.get(start..).unwrap_or_default();
    start + rest.iter().take_while(|byte| is_of_number(byte)).count()
}

/// Whether numbers contain this byte.
pub(crate) const fn is_of_number(byte: &u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_string_ends_at_the_first_quotation_mark_without_a_backslash(
            before in "[a-c ]{0,9}",
            content in "[a\"\\\\é\u{80}!#\\[\\]]{0,30}",
            after in "[,}\"\\\\a]{0,9}",
        ) {
            let quoted = serde_json::to_string(&content).expect("JSON");
            let json = format!("{before}{quoted}{after}");
            let found = string(json.as_bytes(), before.len());
            prop_assert_eq!(found, (before.len() + quoted.len(), quoted.contains('\\')));
        }
    }
}
