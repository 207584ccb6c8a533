//! Searches bytes for the id of a subject. No I/O.
//!
//! In text, an id matches if no ASCII letter or digit is directly before or after it: `d-1` matches in
//! `"d-1"`, `demo/device/d-1` and `d-1.5`, but not in `d-10` or `ad-1`. In binary data, a neighbouring byte
//! may be a length, so an id of at least four bytes matches anywhere.
//!
//! The search decodes JSON escapes, percent-encoding and base64, up to four layers deep: queue messages
//! contain records in base64 inside JSON inside JSON.

use base64_simd::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Maximum number of decoded layers. Each layer is smaller than twice the layer around it.
const LAYERS: u8 = 4;
/// Minimum length of a word that is decoded as base64, in bytes.
const BASE64_BYTES: usize = 16;
/// Minimum length of an id that matches anywhere in binary data, in bytes. Shorter ids occur by chance.
const TELLING_BYTES: usize = 4;

/// Whether an id is so common that a match proves nothing: at most two bytes, or at most five digits, like
/// values and counts.
pub(super) fn is_common(id: &str) -> bool {
    const BYTES: usize = 2;
    const DIGITS: usize = 5;
    let is_number = id.bytes().all(|byte| byte.is_ascii_digit());
    id.len() <= BYTES || is_number && id.len() <= DIGITS
}

/// Whether these bytes contain the id, directly or encoded.
pub(super) fn mentions(bytes: &[u8], id: &str) -> bool {
    within(bytes, id.as_bytes(), LAYERS)
}

fn within(bytes: &[u8], id: &[u8], layers: u8) -> bool {
    if occurs(bytes, id) {
        return true;
    }
    let Some(layers) = layers.checked_sub(1) else { return false };
    // The decoders run one after the other, so that only one decoded copy of a layer is in memory.
    json_unescaped(bytes).is_some_and(|inner| within(&inner, id, layers))
        || percent_decoded(bytes).is_some_and(|inner| within(&inner, id, layers))
        || words(bytes).filter_map(from_base64).any(|inner| within(&inner, id, layers))
}

fn occurs(bytes: &[u8], id: &[u8]) -> bool {
    let anywhere = id.len() >= TELLING_BYTES && !is_text(bytes);
    let stands_alone = |at: usize| {
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        let neighbours = [before, bytes.get(at + id.len())];
        !neighbours.into_iter().flatten().any(u8::is_ascii_alphanumeric)
    };
    places(bytes, id).any(|at| anywhere || stands_alone(at))
}

fn places(bytes: &[u8], id: &[u8]) -> impl Iterator<Item = usize> {
    let windows = bytes.windows(id.len().max(1)).enumerate();
    windows.filter(move |(_, window)| *window == id).map(|(at, _)| at)
}

fn is_text(bytes: &[u8]) -> bool {
    let is_odd = |byte: &u8| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\r');
    std::str::from_utf8(bytes).is_ok() && !bytes.iter().any(is_odd)
}

/// Decodes the escapes of JSON. `None`: there are no escapes.
fn json_unescaped(bytes: &[u8]) -> Option<Vec<u8>> {
    if !bytes.contains(&b'\\') {
        return None;
    }
    let (mut plain, mut rest) = (Vec::with_capacity(bytes.len()), bytes);
    while let Some((first, behind)) = rest.split_first() {
        let (escaped, left) = match first {
            b'\\' => escape(behind),
            _ => (None, behind),
        };
        match escaped {
            Some(character) => {
                plain.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                rest = left;
            }
            None => {
                plain.push(*first);
                rest = behind;
            }
        }
    }
    Some(plain)
}

/// Decodes the escape after a backslash. Returns the character, if the escape is valid, and the rest.
fn escape(behind: &[u8]) -> (Option<char>, &[u8]) {
    let Some((kind, left)) = behind.split_first() else { return (None, behind) };
    let character = match kind {
        b'"' | b'\\' | b'/' => char::from(*kind),
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode(left),
        _ => return (None, behind),
    };
    (Some(character), left)
}

/// Decodes the digits after `\u`, and the second escape of a surrogate pair.
fn unicode(digits: &[u8]) -> (Option<char>, &[u8]) {
    let Some((first, left)) = unit(digits) else { return (None, digits) };
    if let Some(character) = char::from_u32(first) {
        return (Some(character), left);
    }
    let second = left.strip_prefix(br"\u").and_then(unit);
    let pair = second.and_then(|(second, left)| {
        let units = [u16::try_from(first).ok()?, u16::try_from(second).ok()?];
        let character = char::decode_utf16(units).next()?.ok()?;
        Some((Some(character), left))
    });
    pair.unwrap_or((None, digits))
}

fn unit(digits: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, left) = digits.split_first_chunk::<4>()?;
    Some((hexadecimal(digits)?, left))
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| Some(number * 16 + char::from(*digit).to_digit(16)?))
}

/// Decodes percent-encoding. `None`: there is no percent sign.
fn percent_decoded(bytes: &[u8]) -> Option<Vec<u8>> {
    if !bytes.contains(&b'%') {
        return None;
    }
    let (mut plain, mut rest) = (Vec::with_capacity(bytes.len()), bytes);
    while let Some((first, behind)) = rest.split_first() {
        let encoded = behind.split_first_chunk::<2>().filter(|_| *first == b'%');
        let byte = encoded
            .and_then(|(digits, left)| Some((u8::try_from(hexadecimal(digits)?).ok()?, left)));
        let (byte, left) = byte.unwrap_or((*first, behind));
        plain.push(byte);
        rest = left;
    }
    Some(plain)
}

/// The words that may be base64, without padding.
fn words(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_inside =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_');
    let words = bytes.split(move |byte| !is_inside(byte));
    words.filter(|word| word.len() >= BASE64_BYTES)
}

fn from_base64(word: &[u8]) -> Option<Vec<u8>> {
    [STANDARD_NO_PAD, URL_SAFE_NO_PAD].iter().find_map(|alphabet| alphabet.decode_to_vec(word).ok())
}

#[cfg(test)]
mod tests {
    use base64_simd::STANDARD;

    use super::*;

    fn check(bytes: impl AsRef<[u8]>, id: &str, expected: bool) {
        let bytes = bytes.as_ref();
        assert_eq!(mentions(bytes, id), expected, "{id} in {}", String::from_utf8_lossy(bytes));
    }

    #[test]
    fn in_text_an_id_matches_as_a_whole_word() {
        for text in [
            "d-1",
            r#"{"device_id":"d-1"}"#,
            "key=d-1&x=2",
            "demo/device/d-1",
            "d-1.5",
            "d-10 and d-1",
            "\u{e9}d-1",
        ] {
            check(text, "d-1", true);
        }
        for text in ["", "d", "d-10", "ad-1", "D-1", "d1", r#"{"device_id":"d-2"}"#] {
            check(text, "d-1", false);
        }
        check("at 2017-01-01", "17", false);
        check(r#"{"id":17}"#, "17", true);
    }

    #[test]
    fn in_binary_data_a_long_id_matches_anywhere_and_a_short_id_as_a_whole_word() {
        check(b"\x00\x08dev-1234B\xff", "dev-1234", true);
        check(b"\x04\x00xdev-12349", "dev-1234", true);
        check(b"\x00a7b\xff", "7", false);
        check(b"\x007\xff", "7", true);
    }

    #[test]
    fn an_id_is_found_in_escaped_and_percent_encoded_text() {
        check(r#"{"id":"a\/b"}"#, "a/b", true);
        check(r#"{"id":"\u0064-1"}"#, "d-1", true);
        check(r#"{"id":"\u002fd-1"}"#, "d-1", true);
        check(r#"{"id":"\ud83d\ude00d-1"}"#, "\u{1f600}d-1", true);
        check(r#""{\"id\":\"\\u0064-1\"}""#, "d-1", true);
        check("path=%2Fdevice%2Fd-1&q", "d-1", true);
        check("id=a%2fb", "a/b", true);
        for damaged in [r"\", r"\u", r"\u12", r"\ud83d", r"\ud83d\u0041", "%", "%4", "%zz"] {
            check(damaged, "d-1", false);
            check(format!("{damaged} d-1"), "d-1", true);
        }
    }

    #[test]
    fn an_id_is_found_in_base64_inside_json_inside_json() {
        let record = STANDARD.encode_to_string(br#"{"device_id":"d-1","value":1}"#);
        let event = serde_json::json!({ "records": { "t-0": [{ "value": record }] } }).to_string();
        check(&event, "d-1", true);
        check(&event, "d-2", false);
        let message = serde_json::json!({ "payload": event }).to_string();
        check(&message, "d-1", true);
        let safe = URL_SAFE_NO_PAD.encode_to_string(br#"{"device_id":"d-1","v":"?>"}"#);
        check(format!("token={safe}."), "d-1", true);
    }
}
