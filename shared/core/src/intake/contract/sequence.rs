//! The order of events with one time of observation: a number in the record, or the place of the record.

use serde_json::{Number, Value};

use super::document::Digits;
use super::lookup::{Found, Lookup, Raw};
use crate::base::error::{Code, Rejection};
use crate::intake::record::{Parsed, Source};

/// The source of the sequence.
#[derive(Debug)]
pub(super) enum Sequence {
    /// The offset of the record in its partition, or its index in the request.
    Offset,
    /// A number in the record, and the digits of its texts.
    Source(Lookup, Digits),
}

impl Sequence {
    /// The sequence of a record; 0 if the record has none.
    pub(super) fn read(&self, parsed: &Parsed<'_>, json: &Value) -> Result<u64, Rejection> {
        match self {
            Self::Offset => Ok(match parsed.record().source {
                Source::Kafka { offset, .. } => u64::try_from(offset).unwrap_or(0),
                Source::Http { index, .. } => u64::from(index),
            }),
            Self::Source(lookup, digits) => match lookup.find(parsed, json) {
                None => Ok(0),
                Some(found) => sequence_of(&found, *digits).ok_or_else(|| refusal(&found, *digits)),
            },
        }
    }
}

fn sequence_of(found: &Found<'_>, digits: Digits) -> Option<u64> {
    let number = match (found.value.as_str(), found.value) {
        (Some(""), _) => Some(0),
        (Some(text), _) => number_of(text, digits),
        (None, Raw::Json(Value::Number(number))) => number.as_u64().or_else(|| whole(number)),
        (None, Raw::Plain(_)) => found.text().and_then(|text| text.parse().ok()),
        (None, Raw::Json(_)) => None,
    };
    number.filter(|number| i64::try_from(*number).is_ok())
}

/// Parses a text of digits only; `from_str_radix` would also take a sign.
fn number_of(text: &str, digits: Digits) -> Option<u64> {
    let (digits, radix) = match digits {
        Digits::Decimal => (text, 10),
        Digits::Hexadecimal => {
            (text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text), 16)
        }
    };
    let only_digits = digits.bytes().all(|byte| char::from(byte).is_digit(radix));
    u64::from_str_radix(digits, radix).ok().filter(|_| only_digits)
}

/// The value of a double such as `7.0` as a whole number.
fn whole(number: &Number) -> Option<u64> {
    const WHOLE: f64 = 9_007_199_254_740_992.0;
    let double = number.as_f64().filter(|double| (0.0..WHOLE).contains(double))?;
    if double.fract() == 0.0 { format!("{double}").parse().ok() } else { None }
}

fn refusal(found: &Found<'_>, digits: Digits) -> Rejection {
    let wanted = match digits {
        Digits::Decimal => "a whole number from 0 to 2^63-1, or its decimal digits as a text",
        Digits::Hexadecimal => "the hexadecimal digits of a number from 0 to 2^63-1 as a text",
    };
    let message = format!("the sequence: wanted {wanted}, came {}", found.excerpt());
    found.rejection(Code::SchemaViolation, message)
}
