//! A number of a JSON text as the decimal that it is, whatever its length. Its text has the layout
//! that ECMAScript gives to doubles, as RFC 8785 asks: a number that a double holds has the same
//! text in both.

use std::cmp::Ordering;
use std::fmt;

/// The most digits of an exponent: a double has three.
const EXPONENT_DIGITS: usize = 4;
/// From here on numbers are written with an exponent.
const PLAIN_DIGITS: i64 = 21;
/// Zeros behind the point from which on small numbers are written with an exponent.
const PLAIN_ZEROS: i64 = 6;

/// `0.d₁d₂d₃… · 10^point`, with neither a zero in front nor one behind; no digits: zero.
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
    /// Reads a number of a JSON text.
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
    fn every_spelling_of_a_number_has_one_text() {
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
        fn a_double_has_the_text_that_ecmascript_gives_it(bits in any::<u64>()) {
            let double = f64::from_bits(bits);
            prop_assume!(double.is_finite());
            let text = serde_json_canonicalizer::to_string(&double).expect("canonical");
            prop_assert_eq!(Decimal::parse(&text).expect("a decimal").to_string(), text);
        }

        #[test]
        fn a_text_is_read_back_as_the_decimal_that_it_is(
            number in "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?",
        ) {
            let decimal = Decimal::parse(&number).expect("a decimal");
            prop_assert_eq!(Decimal::parse(&decimal.to_string()), Ok(decimal));
        }
    }
}
