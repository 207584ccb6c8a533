//! How a message says how long something takes: in the two largest units that are not zero, cut.

use std::fmt;

use crate::base::time::Timestamp;

const UNITS: [(&str, u64); 5] =
    [("y", 365 * 24 * 60 * 60), ("d", 24 * 60 * 60), ("h", 60 * 60), ("min", 60), ("s", 1)];

/// A length of time, in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(u64);

impl Span {
    /// So many seconds.
    pub(crate) fn of_seconds(seconds: i64) -> Self {
        Self(seconds.unsigned_abs())
    }

    /// From one instant to a later one.
    pub(crate) fn between(earlier: Timestamp, later: Timestamp) -> Self {
        Self::of_seconds((later.micros() / 1_000_000).saturating_sub(earlier.micros() / 1_000_000))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = UNITS.iter().position(|(_, seconds)| self.0 >= *seconds);
        let Some(first) = first else { return formatter.write_str("less than 1 s") };
        let mut rest = self.0;
        for (index, (unit, seconds)) in UNITS.iter().enumerate().skip(first).take(2) {
            let count = rest / seconds;
            rest %= seconds;
            match (index == first, count) {
                (true, count) => write!(formatter, "{count} {unit}")?,
                (false, 0) => {}
                (false, count) => write!(formatter, " {count} {unit}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_told_in_its_two_largest_units() {
        for (seconds, shown) in [
            (0, "less than 1 s"),
            (59, "59 s"),
            (300, "5 min"),
            (15_120, "4 h 12 min"),
            (15_179, "4 h 12 min"),
            (30 * 86_400, "30 d"),
            (86_400 + 59, "1 d"),
            (20 * 365 * 86_400 + 5 * 86_400, "20 y 5 d"),
        ] {
            assert_eq!(Span::of_seconds(seconds).to_string(), shown);
        }
    }
}
