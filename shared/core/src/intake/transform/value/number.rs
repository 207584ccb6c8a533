//! Numbers with their spelling in the record. A number that a program only passes on keeps every digit.
//! Arithmetic uses 64-bit integers if both sides and the result are 64-bit integers, else doubles.

use std::cmp::Ordering;
use std::rc::Rc;

use crate::event::Decimal;

/// Whole doubles below this are written without a decimal point.
const WHOLE: f64 = 1e17;

#[derive(Clone, Debug)]
pub(crate) enum Number {
    Integer(i64),
    /// A finite double.
    Double(f64),
    /// A JSON number that is not a 64-bit integer.
    Written(Rc<str>),
}

impl Number {
    /// Reads a JSON number.
    pub(in super::super) fn written(text: &str) -> Self {
        match text.parse() {
            Ok(integer) if text != "-0" => Self::Integer(integer),
            Ok(_) | Err(_) => Self::Written(text.into()),
        }
    }

    /// `None`: the double is not finite.
    pub(in super::super) fn double(double: f64) -> Option<Self> {
        double.is_finite().then_some(Self::Double(double))
    }

    /// The bytes of its spelling.
    pub(super) fn length(&self) -> usize {
        match self {
            Self::Integer(_) | Self::Double(_) => 0,
            Self::Written(text) => text.len(),
        }
    }

    pub(in super::super) fn as_f64(&self) -> f64 {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "the arithmetic of doubles")]
            Self::Integer(integer) => *integer as f64,
            Self::Double(double) => *double,
            Self::Written(text) => text.parse().unwrap_or_default(),
        }
    }

    /// The number as an index, rounded down.
    #[expect(clippy::cast_possible_truncation, reason = "what is out of range is no index")]
    pub(in super::super) fn as_index(&self) -> i64 {
        match self {
            Self::Integer(integer) => *integer,
            Self::Double(_) | Self::Written(_) => self.as_f64().floor() as i64,
        }
    }

    pub(in super::super) fn text(&self) -> String {
        match self {
            Self::Integer(integer) => integer.to_string(),
            Self::Double(double) if double.fract() == 0.0 && double.abs() < WHOLE => {
                format!("{double:.0}")
            }
            Self::Double(double) => {
                serde_json::Number::from_f64(*double).map_or_else(String::new, |it| it.to_string())
            }
            Self::Written(text) => text.to_string(),
        }
    }

    fn decimal(&self) -> Decimal {
        // A record with an exponent of more than four digits is refused before it is read.
        Decimal::parse(&self.text()).unwrap_or_default()
    }

    /// Compares numbers of any length exactly: two long integers with the same double are different.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Integer(one), Self::Integer(other)) => one.cmp(other),
            (Self::Double(one), Self::Double(other)) => {
                one.partial_cmp(other).unwrap_or(Ordering::Equal)
            }
            (one, other) => one.decimal().compare(&other.decimal()),
        }
    }
}
