//! Reads the JSON of a record strictly. Each fault of a text has its own message.
//!
//! An object with a repeated member is refused: readers disagree which member counts, and the system that
//! vouched for the record may have read the other member.

mod diagnosis;
mod lenient;
mod registry_frame;

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

pub use self::lenient::without_bare_words;
pub(crate) use self::registry_frame::{RegistryFrame, check_not_framed};
use crate::base::error::{Code, Rejection};

const BOM: &[u8] = &[0xef, 0xbb, 0xbf];
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// A text without the byte order mark that some programs write before UTF-8 (RFC 8259, section 8.1).
pub fn without_bom(text: &[u8]) -> &[u8] {
    text.strip_prefix(BOM).unwrap_or(text)
}

/// Checks the whole text for UTF-8, which costs less than checking each string.
///
/// # Errors
/// `malformed_json`, `unsupported_encoding` for compressed data.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, Rejection> {
    std::str::from_utf8(bytes).map_err(|_| why_not(bytes))
}

/// Reads a text.
///
/// # Errors
/// `malformed_json`, `schema_violation` for a number that is out of range, `unsupported_encoding` for
/// compressed data.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, Rejection> {
    text(bytes).and_then(parse_text)
}

/// Reads a text like [`parse`].
///
/// # Errors
/// As for [`parse`].
pub(crate) fn parse_text(text: &str) -> Result<Value, Rejection> {
    match serde_json::from_str(text) {
        Ok(Tree(value)) => Ok(value),
        Err(fault) => Err(told(text, &fault)),
    }
}

/// The reason why a text cannot be read as JSON.
pub fn why_not(text: &[u8]) -> Rejection {
    if let Err(rejection) = check_not_compressed(text) {
        return rejection;
    }
    if let Err(rejection) = check_not_framed(text) {
        return rejection;
    }
    match std::str::from_utf8(text) {
        Err(fault) => diagnosis::not_utf8(text, fault.valid_up_to()),
        Ok(text) => match serde_json::from_str::<Tree>(text) {
            Err(fault) => diagnosis::told(text, &fault),
            Ok(_) => Rejection::new(Code::MalformedJson, "this is not JSON of the expected shape"),
        },
    }
}

/// A value in a binary format may be UTF-8 by chance.
fn told(text: &str, fault: &serde_json::Error) -> Rejection {
    check_not_framed(text.as_bytes()).err().unwrap_or_else(|| diagnosis::told(text, fault))
}

/// The rejection at the first number that is out of range.
pub(crate) fn number_out_of_range(text: &str) -> Rejection {
    diagnosis::out_of_range(text)
}

/// Refuses data that begin like compressed data.
///
/// # Errors
/// `unsupported_encoding`.
pub(crate) fn check_not_compressed(text: &[u8]) -> Result<(), Rejection> {
    let Some(what) = compression(text) else { return Ok(()) };
    let message = format!(
        "this looks like {what}, and nothing says so: neither Content-Encoding nor the compression of a topic's route"
    );
    Err(Rejection::new(Code::UnsupportedEncoding, message))
}

/// The apparent format and the length of a body, for a message that shows nothing of the content.
pub fn beginning(body: &[u8]) -> String {
    let what = match (compression(body), body.trim_ascii_start().first()) {
        (Some(compression), _) => compression,
        (None, None) => "whitespace",
        (None, Some(b'{' | b'[')) => "text that begins as JSON does",
        (None, Some(0)) => "data that begin with a zero byte",
        (None, Some(_)) => "other data",
    };
    match body.len() {
        0 => "no bytes".to_owned(),
        bytes => format!("{bytes} bytes of {what}"),
    }
}

fn compression(text: &[u8]) -> Option<&'static str> {
    if text.starts_with(GZIP) {
        return Some("gzip");
    }
    text.starts_with(ZSTD).then_some("zstd")
}

/// A value without repeated members.
struct Tree(Value);

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Members).map(Self)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Bool(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Tree(item)) = list.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some((name, Tree(value))) = object.next_entry::<String, Tree>()? {
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("a member twice"));
            }
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests;
