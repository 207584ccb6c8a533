//! Numbers in parsed JSON: which doubles a value has, and the texts of numbers that parsing
//! changed.

use serde_json::Number;

use super::places::Places;

/// The canonical texts of numbers that parsing changed.
pub(crate) type Exact = Places<Box<str>>;

/// Which doubles a value has: the first variant that covers all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Doubles {
    /// No doubles, so every number is exact.
    None,
    /// Between 10^-7 and 10^21, with a fraction: a number of 15 digits is parsed to the nearest one, and
    /// written as it was.
    Usual,
    /// Zero, perhaps of a number that is too small for a double; whole, so that it was written with a point
    /// or an exponent; or beyond these bounds.
    Any,
}

impl Doubles {
    /// Classifies one number.
    pub(super) fn of(number: &Number) -> Self {
        let size = number.as_f64().unwrap_or_default().abs();
        match number.is_f64() {
            false => Self::None,
            true if (1e-7..1e21).contains(&size) && size.fract() > 0.0 => Self::Usual,
            true => Self::Any,
        }
    }
}
