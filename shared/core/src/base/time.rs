//! Instants in whole microseconds, the only stored unit of time.
//!
//! Parsing rounds finer fractions down, so that two spellings of an instant are one position. A
//! time without an offset is rejected, because it is ambiguous. Reading a clock is left out on
//! purpose: time is an argument.

use std::fmt;

use jiff::civil::DateTime;
use jiff::tz::Offset;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Microseconds since 1970-01-01T00:00:00Z; negative before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

const MICROS_PER_SECOND: i64 = 1_000_000;
const NANOSECOND_DIGITS: usize = 9;

impl Timestamp {
    /// The earliest instant: a day into the year 1, so that every offset can express it.
    pub const MIN: Self = Self(-62_135_510_400_000_000);
    /// The latest instant that every offset can express.
    pub const MAX: Self = Self(253_402_207_200_000_000);

    /// An instant from microseconds, or `None` outside the range of RFC 3339.
    pub fn from_micros(micros: i64) -> Option<Self> {
        (Self::MIN.0..=Self::MAX.0).contains(&micros).then_some(Self(micros))
    }

    /// An instant from milliseconds, as in Kafka and Lambda.
    pub fn from_millis(millis: i64) -> Option<Self> {
        millis.checked_mul(1_000).and_then(Self::from_micros)
    }

    /// Parses RFC 3339. An offset (or `Z`) is required; fractions below a microsecond are rounded
    /// down.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        if let Some(instant) = usual(text.as_bytes()) {
            return Self::of_instant(instant);
        }
        let instant = text.parse().or_else(|fault| match within_nanoseconds(text) {
            Some(text) => text.parse(),
            None => Err(fault),
        });
        Self::of_instant(instant.ok()?)
    }

    /// An instant as jiff has it; fractions below a microsecond are cut.
    pub(crate) fn of_instant(instant: jiff::Timestamp) -> Option<Self> {
        let micros = i64::from(instant.subsec_nanosecond().div_euclid(1_000));
        Self::from_micros(instant.as_second() * MICROS_PER_SECOND + micros)
    }

    /// Microseconds since 1970.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// This instant moved by whole seconds, clamped to the range.
    pub fn plus_seconds(self, seconds: i64) -> Self {
        let moved = self.0.saturating_add(seconds.saturating_mul(MICROS_PER_SECOND));
        Self(moved.clamp(Self::MIN.0, Self::MAX.0))
    }

    /// The next microsecond, clamped to the range.
    pub fn just_after(self) -> Self {
        Self((self.0 + 1).min(Self::MAX.0))
    }

    /// The microsecond before, clamped to the range.
    pub fn just_before(self) -> Self {
        Self((self.0 - 1).max(Self::MIN.0))
    }

    /// Seconds from `earlier` to this instant; negative if this instant is before.
    pub fn seconds_since(self, earlier: Self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "an f64 holds 285 years of microseconds")]
        let micros = self.0.saturating_sub(earlier.0) as f64;
        micros / 1e6
    }

    /// Whether this instant is less than `seconds` before `now`, so that a value read then is fresh.
    /// If the clock has gone back, the value is not.
    pub fn is_within(self, seconds: i64, now: Self) -> bool {
        self <= now && now < self.plus_seconds(seconds)
    }

    /// Whole seconds since 1970, rounded down, as in DynamoDB's TTL.
    pub const fn whole_seconds(self) -> i64 {
        self.0.div_euclid(MICROS_PER_SECOND)
    }
}

/// A time in UTC as most producers write it, `2026-11-21T06:10:00.000Z`: every record has a time, and jiff takes
/// several times longer to read one in any spelling. `None`: another spelling, or no time.
fn usual(text: &[u8]) -> Option<jiff::Timestamp> {
    let (whole, fraction) = text.strip_suffix(b"Z")?.split_at_checked(19)?;
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', i1, i2, b':', s1, s2] =
        whole
    else {
        return None;
    };
    let fraction = match fraction {
        [] => fraction,
        [b'.', digits @ ..] if (1..=NANOSECOND_DIGITS).contains(&digits.len()) => digits,
        _ => return None,
    };
    let fraction = fraction.iter().copied().chain([b'0'; NANOSECOND_DIGITS]);
    let two = |tens, ones| number([tens, ones])?.try_into().ok();
    let year = number([y1, y2, y3, y4])?.try_into().ok()?;
    let (month, day, hour) = (two(m1, m2)?, two(d1, d2)?, two(h1, h2)?);
    let (minute, second) = (two(i1, i2)?, two(s1, s2)?);
    let nanosecond = number(fraction.take(NANOSECOND_DIGITS))?;
    let time = DateTime::new(year, month, day, hour, minute, second, nanosecond).ok()?;
    Offset::UTC.to_timestamp(time).ok()
}

/// The number that at most nine digits are.
fn number(digits: impl IntoIterator<Item = u8>) -> Option<i32> {
    digits.into_iter().try_fold(0, |number, digit| {
        digit.is_ascii_digit().then(|| number * 10 + i32::from(digit - b'0'))
    })
}

/// A time whose fraction has more than the nine digits that jiff reads, without the excess digits.
/// RFC 3339 sets no limit.
pub(crate) fn within_nanoseconds(text: &str) -> Option<String> {
    let (whole, rest) = text.split_once('.')?;
    let end = rest.find(|one: char| !one.is_ascii_digit()).unwrap_or(rest.len());
    let (fraction, offset) = rest.split_at_checked(end)?;
    let kept = fraction.get(..NANOSECOND_DIGITS).filter(|kept| kept.len() < fraction.len())?;
    Some(format!("{whole}.{kept}{offset}"))
}

/// RFC 3339 in UTC with 3 fractional digits, or 6 if there are microseconds.
impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instant = jiff::Timestamp::from_microsecond(self.0).map_err(|_| fmt::Error)?;
        let digits = if self.0 % 1_000 == 0 { 3 } else { 6 };
        write!(formatter, "{instant:.digits$}")
    }
}

/// Text in human-readable formats, microseconds in binary formats.
impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_i64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parsed = if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            Self::parse_rfc3339(&text)
        } else {
            Self::from_micros(i64::deserialize(deserializer)?)
        };
        parsed.ok_or_else(|| {
            serde::de::Error::custom("invalid time, expected RFC 3339 with an offset")
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let shown = Timestamp::parse_rfc3339(text).map(|instant| instant.to_string());
        assert_eq!(shown.as_deref(), expected, "{text}");
    }

    #[test]
    fn finer_fractions_are_rounded_down() {
        check("2026-11-21T06:00:00.1234569Z", Some("2026-11-21T06:00:00.123456Z"));
        check("1969-12-31T23:59:59.9999999Z", Some("1969-12-31T23:59:59.999999Z"));
        check("2026-11-21T06:00:00.123456789012Z", Some("2026-11-21T06:00:00.123456Z"));
        check("2026-11-21T08:00:00.000000000000000001+02:00", Some("2026-11-21T06:00:00.000Z"));
    }

    #[test]
    fn an_instant_is_within_some_seconds_of_now_from_itself_until_they_are_over() {
        let at = |micros| Timestamp::from_micros(micros).expect("in range");
        let read_at = at(10_000_000);
        for (now, expected) in
            [(9_999_999, false), (10_000_000, true), (14_999_999, true), (15_000_000, false)]
        {
            assert_eq!(read_at.is_within(5, at(now)), expected, "{now}");
        }
    }

    #[test]
    fn milliseconds_show_three_digits() {
        check("2026-11-21T06:00:00Z", Some("2026-11-21T06:00:00.000Z"));
        check("2026-11-21T08:00:00.5+02:00", Some("2026-11-21T06:00:00.500Z"));
    }

    #[test]
    fn a_time_without_an_offset_is_rejected() {
        check("2026-11-21T06:00:00", None);
        check("2026-11-21", None);
        check("yesterday", None);
    }

    #[test]
    fn the_ends_of_the_range_can_be_written() {
        for end in [Timestamp::MIN, Timestamp::MAX] {
            assert_eq!(Timestamp::parse_rfc3339(&end.to_string()), Some(end));
        }
    }

    #[test]
    fn most_times_have_the_usual_spelling() {
        for text in
            ["2026-11-21T06:00:00Z", "2028-02-29T23:59:59.999Z", "0001-01-02T00:00:00.123456789Z"]
        {
            assert_eq!(usual(text.as_bytes()), text.parse().ok(), "{text}");
            assert!(usual(text.as_bytes()).is_some(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_usual_spelling_is_read_as_jiff_reads_it(
            text in "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{0,10})?Z",
        ) {
            if let Some(instant) = usual(text.as_bytes()) {
                prop_assert_eq!(text.parse().ok(), Some(instant));
            }
        }
    }
}
