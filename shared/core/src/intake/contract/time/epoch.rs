//! Times as numbers since 1970. The size of a number determines its unit.

use serde_json::Number;

/// Numbers below this are seconds, until the year 5138.
const SECONDS_BELOW: u64 = 100_000_000_000;
/// Numbers below this are milliseconds.
const MILLIS_BELOW: u64 = 100_000_000_000_000;
/// Numbers below this are microseconds, others nanoseconds.
const MICROS_BELOW: u64 = 100_000_000_000_000_000;
const NANOS_PER_MICRO: u64 = 1_000;

pub(super) fn number_micros(number: &Number) -> Option<i64> {
    match (number.as_i64(), number.as_f64()) {
        (Some(whole), _) => whole_micros(whole),
        // Rust writes a double without an exponent, with the fewest digits that identify the double.
        (None, Some(double)) => decimal_micros(&double.to_string()),
        (None, None) => None,
    }
}

pub(super) fn whole_micros(number: i64) -> Option<i64> {
    if number.unsigned_abs() >= MICROS_BELOW {
        return Some(number.div_euclid(NANOS_PER_MICRO.cast_signed()));
    }
    number.checked_mul(10i64.checked_pow(digits_below(number.unsigned_abs()))?)
}

/// The number of decimal digits from the unit of a number to the microsecond.
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
pub(super) fn decimal_micros(text: &str) -> Option<i64> {
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
    let (micros, finer) = if whole < MICROS_BELOW {
        let kept = digits_below(whole);
        let (fraction, finer) = fraction_of(fraction, kept)?;
        (whole.checked_mul(10u64.checked_pow(kept)?)?.checked_add(fraction)?, finer)
    } else {
        let (_, finer) = fraction_of(fraction, 0)?;
        (whole / NANOS_PER_MICRO, finer || !whole.is_multiple_of(NANOS_PER_MICRO))
    };
    let micros = i64::try_from(micros).ok()?;
    Some(if negative { -micros - i64::from(finer) } else { micros })
}

/// The first `kept` digits of a fraction as a number, and whether another digit is more than zero.
fn fraction_of(fraction: &str, kept: u32) -> Option<(u64, bool)> {
    let kept = usize::try_from(kept).ok()?;
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(kept);
    let number = digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
    let finer = fraction.bytes().skip(kept).any(|digit| digit != b'0');
    Some((number, finer))
}
