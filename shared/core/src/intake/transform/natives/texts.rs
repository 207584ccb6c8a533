//! Filters for texts.

use std::rc::Rc;

use jaq_core::native::bome;

use super::super::meter;
use super::super::value::{Error, Number, Value, ValueResult, read};
use super::named::{Named, filters, unary};
use crate::base::time::Timestamp;

const MICROS: f64 = 1e6;
/// The byte order mark that some programs write before JSON.
const BOM: char = '\u{feff}';

pub(super) fn filters() -> Vec<Named> {
    filters![
        ("utf8bytelength", 0, |cv| bome(cv.1.as_text().map(|text| Value::integer(text.len())))),
        ("ascii_downcase", 0, |cv| bome(changed(&cv.1, str::to_ascii_lowercase))),
        ("ascii_upcase", 0, |cv| bome(changed(&cv.1, str::to_ascii_uppercase))),
        ("trim", 0, |cv| bome(changed(&cv.1, |text| text.trim().to_owned()))),
        ("ltrim", 0, |cv| bome(changed(&cv.1, |text| text.trim_start().to_owned()))),
        ("rtrim", 0, |cv| bome(changed(&cv.1, |text| text.trim_end().to_owned()))),
        ("startswith", 1, |cv| {
            unary(cv, |text, start| {
                Ok(Value::Bool(text.as_text()?.starts_with(&**start.as_text()?)))
            })
        }),
        ("endswith", 1, |cv| {
            unary(cv, |text, end| Ok(Value::Bool(text.as_text()?.ends_with(&**end.as_text()?))))
        }),
        ("ltrimstr", 1, |cv| {
            unary(cv, |text, start| Ok(trimmed(text, &start, |a, b| a.strip_prefix(b))))
        }),
        ("rtrimstr", 1, |cv| {
            unary(cv, |text, end| Ok(trimmed(text, &end, |a, b| a.strip_suffix(b))))
        }),
        ("split", 1, |cv| {
            unary(cv, |text, separator| {
                text.as_text()?;
                separator.as_text()?;
                text / separator
            })
        }),
        ("explode", 0, |cv| bome(explode(&cv.1))),
        ("implode", 0, |cv| bome(implode(&cv.1))),
        ("tojson", 0, |cv| bome(Ok(Value::text(cv.1.to_json())))),
        ("fromjson", 0, |cv| bome(from_json(&cv.1))),
        ("@base64", 0, |cv| {
            bome(encoded(cv.1, |text| base64_simd::STANDARD.encode_to_string(text.as_bytes())))
        }),
        ("@base64d", 0, |cv| bome(from_base64(cv.1))),
        ("@uri", 0, |cv| bome(encoded(cv.1, percent_encoded))),
        ("fromdate", 0, |cv| bome(from_date(cv.1))),
        ("todate", 0, |cv| bome(to_date(cv.1))),
    ]
}

fn changed(value: &Value, change: impl FnOnce(&str) -> String) -> ValueResult {
    Ok(Value::text(change(value.as_text()?)))
}

/// A value that is not a text, or has no such beginning or end, stays unchanged.
fn trimmed(
    value: Value,
    part: &Value,
    strip: impl for<'t> FnOnce(&'t str, &str) -> Option<&'t str>,
) -> Value {
    let (Value::Text(text), Value::Text(part)) = (&value, part) else { return value };
    match strip(text, part) {
        Some(rest) => Value::text(rest),
        None => value,
    }
}

fn explode(value: &Value) -> ValueResult {
    let text = value.as_text()?;
    let point = |one: char| Value::Number(Number::Integer(i64::from(u32::from(one))));
    Ok(Value::array(text.chars().take_while(|_| meter::charge(1)).map(point).collect()))
}

fn implode(value: &Value) -> ValueResult {
    let mut text = String::new();
    for item in value.as_items()?.iter().take_while(|_| meter::charge(1)) {
        let point = u32::try_from(item.as_number()?.as_index()).ok().and_then(char::from_u32);
        text.push(point.ok_or_else(|| Error::typ(item.clone(), "character"))?);
    }
    Ok(Value::text(text))
}

fn from_json(value: &Value) -> ValueResult {
    let text = value.as_text()?;
    meter::charge_for(text.len());
    let text = text.strip_prefix(BOM).unwrap_or(text);
    // Reading into a value limits the depth.
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(_) => Ok(read(text)),
        Err(_) => Err(Error::typ(value.clone(), "JSON")),
    }
}

fn encoded(value: Value, encode: impl FnOnce(&str) -> String) -> ValueResult {
    let text = match value {
        Value::Text(text) => text,
        other => Rc::from(other.to_json()),
    };
    meter::charge_for(text.len());
    Ok(Value::text(encode(&text)))
}

/// Decodes base64 with or without padding, in either alphabet.
fn from_base64(value: Value) -> ValueResult {
    let text = value.as_text()?;
    meter::charge_for(text.len());
    let plain = text.trim_end_matches('=');
    let standard = base64_simd::STANDARD_NO_PAD.decode_to_vec(plain);
    let bytes = standard.or_else(|_| base64_simd::URL_SAFE_NO_PAD.decode_to_vec(plain));
    let Ok(bytes) = bytes else { return Err(Error::typ(value, "base64")) };
    match String::from_utf8(bytes) {
        Ok(decoded) => Ok(Value::text(decoded)),
        Err(_) => Err(Error::typ(value, "base64 of a text in UTF-8")),
    }
}

/// The characters that RFC 3986 does not encode.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// The seconds since 1970 of a time in RFC 3339.
fn from_date(value: Value) -> ValueResult {
    let Some(time) = Timestamp::parse_rfc3339(value.as_text()?) else {
        return Err(Error::typ(value, "time in RFC 3339"));
    };
    #[expect(clippy::cast_precision_loss, reason = "doubles hold microseconds of 285 years")]
    let seconds = time.micros() as f64 / MICROS;
    Number::double(seconds).map(Value::Number).ok_or_else(|| Error::typ(value, "number"))
}

/// The time in RFC 3339 for seconds since 1970.
fn to_date(value: Value) -> ValueResult {
    #[expect(clippy::cast_possible_truncation, reason = "what is out of range is no time")]
    let micros = (value.as_number()?.as_f64() * MICROS).round() as i64;
    match Timestamp::from_micros(micros) {
        Some(time) => Ok(Value::text(time.to_string())),
        None => Err(Error::typ(value, "seconds since 1970")),
    }
}
