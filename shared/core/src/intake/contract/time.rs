//! Times as producers write them. Numbers are read as decimals and never through a double's
//! product, so that two spellings of one instant are one position; what is finer than a
//! microsecond is cut towards the past, as everywhere.

use serde_json::{Number, Value};

use super::document::TimeFormat;
use super::lookup::Raw;
use crate::base::time::Timestamp;
use crate::intake::record::HeaderValue;

/// Below this, a number is seconds: until the year 5138.
const SECONDS_BELOW: u64 = 100_000_000_000;
/// Below this, milliseconds.
const MILLIS_BELOW: u64 = 100_000_000_000_000;

impl TimeFormat {
    /// The instant, or `None` where this format names none.
    pub(super) fn read(self, value: Raw<'_>) -> Option<Timestamp> {
        match value {
            Raw::Json(Value::String(text)) => self.read_text(text),
            Raw::Header(HeaderValue::Text(text)) => self.read_text(text),
            Raw::Json(Value::Number(number)) => self.epoch(|| number_micros(number)),
            Raw::Header(HeaderValue::Long(number)) => self.epoch(|| whole_micros(number)),
            Raw::Header(HeaderValue::Millis(millis)) => Timestamp::from_millis(millis),
            Raw::Json(_) | Raw::Header(HeaderValue::Unreadable) => None,
        }
    }

    fn read_text(self, text: &str) -> Option<Timestamp> {
        let epoch = || decimal_micros(text).and_then(Timestamp::from_micros);
        match self {
            Self::Rfc3339 => Timestamp::parse_rfc3339(text),
            Self::Epoch => epoch(),
            // The number first: a text that is none shows it by its fifth character.
            Self::Any => epoch().or_else(|| Timestamp::parse_rfc3339(text)),
        }
    }

    fn epoch(self, micros: impl FnOnce() -> Option<i64>) -> Option<Timestamp> {
        match self {
            Self::Rfc3339 => None,
            Self::Epoch | Self::Any => micros().and_then(Timestamp::from_micros),
        }
    }
}

fn number_micros(number: &Number) -> Option<i64> {
    match (number.as_i64(), number.as_f64()) {
        (Some(whole), _) => whole_micros(whole),
        // Rust writes a double in full, with the fewest digits that mean it.
        (None, Some(double)) => decimal_micros(&double.to_string()),
        (None, None) => None,
    }
}

fn whole_micros(number: i64) -> Option<i64> {
    number.checked_mul(10i64.checked_pow(digits_below(number.unsigned_abs()))?)
}

/// How many decimal digits of such a number make a microsecond.
const fn digits_below(magnitude: u64) -> u32 {
    if magnitude < SECONDS_BELOW {
        6
    } else if magnitude < MILLIS_BELOW {
        3
    } else {
        0
    }
}

/// Microseconds of `-?digits(.digits)?`.
fn decimal_micros(text: &str) -> Option<i64> {
    let (negative, magnitude) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = match magnitude.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (magnitude, ""),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let kept = digits_below(whole);
    let (fraction, finer) = snapshot(fraction, kept)?;
    let micros = whole.checked_mul(10u64.checked_pow(kept)?)?.checked_add(fraction)?;
    let micros = i64::try_from(micros).ok()?;
    Some(if negative { -micros - i64::from(finer) } else { micros })
}

/// The first `kept` digits of a fraction as a number, and whether what is cut is more than zero.
fn snapshot(fraction: &str, kept: u32) -> Option<(u64, bool)> {
    let kept = usize::try_from(kept).ok()?;
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(kept);
    let number = digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
    let finer = fraction.bytes().skip(kept).any(|digit| digit != b'0');
    Some((number, finer))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn check(format: TimeFormat, value: &Value, expected: Option<i64>) {
        let read = format.read(Raw::Json(value)).map(Timestamp::micros);
        assert_eq!(read, expected, "{format:?} {value}");
    }

    #[test]
    fn the_size_of_a_number_says_its_unit() {
        for (number, micros) in [
            (json!(0), 0),
            (json!(1_700_000_000), 1_700_000_000_000_000),
            (json!(99_999_999_999_u64), 99_999_999_999_000_000),
            (json!(100_000_000_000_u64), 100_000_000_000_000),
            (json!(1_700_000_000_123_u64), 1_700_000_000_123_000),
            (json!(99_999_999_999_999_u64), 99_999_999_999_999_000),
            (json!(100_000_000_000_000_u64), 100_000_000_000_000),
            (json!(1_700_000_000_123_456_u64), 1_700_000_000_123_456),
            (json!(-1), -1_000_000),
        ] {
            check(TimeFormat::Epoch, &number, Some(micros));
            check(TimeFormat::Any, &number, Some(micros));
            check(TimeFormat::Any, &json!(number.to_string()), Some(micros));
            check(TimeFormat::Rfc3339, &number, None);
        }
    }

    #[test]
    fn fractions_are_exact_and_cut_below_a_microsecond() {
        for (number, micros) in [
            (json!(1_700_000_000.123_456), 1_700_000_000_123_456),
            (json!(1_700_000_000.5), 1_700_000_000_500_000),
            (json!(1_700_000_000_123.456), 1_700_000_000_123_456),
            (json!("1700000000.1234569"), 1_700_000_000_123_456),
            (json!("1700000000123.4569"), 1_700_000_000_123_456),
            (json!("1700000000123456.9"), 1_700_000_000_123_456),
            (json!("-0.0000001"), -1),
            (json!("-1.5"), -1_500_000),
            (json!(1.7e15), 1_700_000_000_000_000),
        ] {
            check(TimeFormat::Any, &number, Some(micros));
        }
    }

    #[test]
    fn text_that_names_no_instant_is_none() {
        for text in [
            "",
            "-",
            ".5",
            "1.",
            "1e9",
            "+1",
            " 1",
            "1_0",
            "0x10",
            "NaN",
            "yesterday",
            "2026-11-21T06:00:00",
            "2026-11-21",
            "99999999999999999999",
            "9999999999999999999",
        ] {
            check(TimeFormat::Any, &json!(text), None);
        }
        for value in
            [json!(1e300), json!(u64::MAX), json!(i64::MIN), json!(true), json!({}), json!([])]
        {
            check(TimeFormat::Any, &value, None);
        }
    }

    #[test]
    fn each_format_reads_its_own() {
        let text = json!("2026-11-21T08:00:00+02:00");
        check(TimeFormat::Rfc3339, &text, Some(1_795_240_800_000_000));
        check(TimeFormat::Any, &text, Some(1_795_240_800_000_000));
        check(TimeFormat::Epoch, &text, None);
        check(TimeFormat::Rfc3339, &json!("1700000000"), None);
    }

    #[test]
    fn a_header_typed_as_a_time_needs_no_format() {
        let typed = Raw::Header(HeaderValue::Millis(5));
        for format in [TimeFormat::Rfc3339, TimeFormat::Epoch, TimeFormat::Any] {
            assert_eq!(format.read(typed).map(Timestamp::micros), Some(5_000));
            assert_eq!(format.read(Raw::Header(HeaderValue::Unreadable)), None);
        }
        let long = TimeFormat::Any.read(Raw::Header(HeaderValue::Long(1)));
        assert_eq!(long.map(Timestamp::micros), Some(1_000_000));
    }

    proptest! {
        #[test]
        fn a_number_and_its_text_are_one_instant(seconds in -99_999_999_999i64..99_999_999_999) {
            let (number, text) = (json!(seconds), json!(seconds.to_string()));
            let read = |value| TimeFormat::Any.read(Raw::Json(value));
            prop_assert_eq!(read(&number), read(&text));
        }

        #[test]
        fn whatever_the_text_nothing_panics(text in "[-0-9.]{0,30}") {
            let _ = TimeFormat::Any.read(Raw::Json(&json!(text)));
        }
    }
}
