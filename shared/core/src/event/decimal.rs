//! A JSON number as an exact decimal of any length. It is formatted like a double in ECMAScript, as
//! RFC 8785 requires: a number that a double holds exactly has the same text in both.

use std::cmp::Ordering;
use std::fmt;

/// Maximum number of digits of an exponent. A double has three.
const EXPONENT_DIGITS: usize = 4;
/// Numbers with more digits before the point are written with an exponent.
const PLAIN_DIGITS: i64 = 21;
/// Small numbers with this many zeros after the point are written with an exponent.
const PLAIN_ZEROS: i64 = 6;

/// `0.d₁d₂d₃… · 10^point`, without leading or trailing zeros; without digits, zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Decimal {
    negative: bool,
    digits: String,
    point: i64,
}

/// An exponent of more than four digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutOfRange;

impl Decimal {
    /// Parses a JSON number.
    pub(crate) fn parse(number: &str) -> Result<Self, OutOfRange> {
        let (negative, number) = match number.strip_prefix('-') {
            Some(number) => (true, number),
            None => (false, number),
        };
        let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, ""));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = [whole, fraction].concat();
        let digits = all.trim_start_matches('0');
        if digits.is_empty() {
            return Ok(Self { negative: false, digits: String::new(), point: 0 });
        }
        let point = length(whole) - length(&all) + length(digits) + parsed(exponent)?;
        Ok(Self { negative, digits: digits.trim_end_matches('0').to_owned(), point })
    }

    /// Which is the larger number.
    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        let sign = |decimal: &Self| match (decimal.digits.is_empty(), decimal.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        let by_size = || (self.point, &self.digits).cmp(&(other.point, &other.digits));
        match (sign(self), sign(other)) {
            (1, 1) => by_size(),
            (-1, -1) => by_size().reverse(),
            (one, other) => one.cmp(&other),
        }
    }
}

fn parsed(exponent: &str) -> Result<i64, OutOfRange> {
    let digits = exponent.trim_start_matches(['+', '-']).trim_start_matches('0');
    if digits.is_empty() {
        return Ok(0);
    }
    if digits.len() > EXPONENT_DIGITS {
        return Err(OutOfRange);
    }
    let size: i64 = digits.parse().map_err(|_| OutOfRange)?;
    Ok(if exponent.starts_with('-') { -size } else { size })
}

fn length(text: &str) -> i64 {
    i64::try_from(text.len()).unwrap_or(i64::MAX)
}

fn zeros(count: i64) -> String {
    "0".repeat(usize::try_from(count).unwrap_or(0))
}

impl fmt::Display for Decimal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { negative, digits, point } = self;
        if digits.is_empty() {
            return formatter.write_str("0");
        }
        if *negative {
            formatter.write_str("-")?;
        }
        let length = length(digits);
        if (length..=PLAIN_DIGITS).contains(point) {
            write!(formatter, "{digits}{}", zeros(point - length))
        } else if (1..=PLAIN_DIGITS).contains(point) {
            let (whole, fraction) = digits.split_at(usize::try_from(*point).unwrap_or(0));
            write!(formatter, "{whole}.{fraction}")
        } else if (1 - PLAIN_ZEROS..=0).contains(point) {
            write!(formatter, "0.{}{digits}", zeros(-point))
        } else {
            let (first, rest) = digits.split_at(1);
            let dot = if rest.is_empty() { "" } else { "." };
            write!(formatter, "{first}{dot}{rest}e{:+}", point - 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(number: &str, expected: &str) {
        let text = Decimal::parse(number).map(|decimal| decimal.to_string());
        assert_eq!(text.as_deref(), Ok(expected), "{number}");
    }

    #[test]
    fn all_spellings_of_a_number_have_one_text() {
        for spelling in ["12.5", "12.500", "1.25e1", "125E-1", "0.0125e+03", "12500e-0003"] {
            check(spelling, "12.5");
        }
        for zero in ["0", "-0", "0.000", "-0e5", "0e99999999999"] {
            check(zero, "0");
        }
        check("12345678901234567890", "12345678901234567890");
        check("-123456789012345678901", "-123456789012345678901");
        check("1234567890123456789012", "1.234567890123456789012e+21");
        check("1e20", "100000000000000000000");
        check("1e21", "1e+21");
        check("0.000001", "0.000001");
        check("-0.0000001000", "-1e-7");
        check("0.10000000000000000000001", "0.10000000000000000000001");
        check("1e-400", "1e-400");
        check("1e-9999", "1e-9999");
        assert_eq!(Decimal::parse("1e-10000"), Err(OutOfRange));
        assert_eq!(Decimal::parse("1e99999999999999999999"), Err(OutOfRange));
    }

    proptest! {
        #[test]
        fn a_double_has_its_ecmascript_text(bits in any::<u64>()) {
            let double = f64::from_bits(bits);
            prop_assume!(double.is_finite());
            let text = serde_json_canonicalizer::to_string(&double).expect("canonical");
            prop_assert_eq!(Decimal::parse(&text).expect("a decimal").to_string(), text);
        }

        #[test]
        fn a_written_decimal_is_read_back(
            number in "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?",
        ) {
            let decimal = Decimal::parse(&number).expect("a decimal");
            prop_assert_eq!(Decimal::parse(&decimal.to_string()), Ok(decimal));
        }
    }
}
