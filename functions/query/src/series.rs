//! Points and statistics of a measure's readings, singly or in windows. Pure.
//!
//! Windows are aligned to 1970-01-01, so that a reading is in the same window for every request. A
//! window is never split: a response that ends early ends at a window's end, and its summary covers
//! only its windows.

use drover_core::base::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::limits;

/// Statistics of readings. Without readings every value but the count is null.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Summary {
    /// Number of readings.
    pub(crate) count: u64,
    #[schema(required = true)]
    min: Option<f64>,
    #[schema(required = true)]
    max: Option<f64>,
    #[schema(required = true)]
    mean: Option<f64>,
    /// The oldest reading.
    #[schema(required = true)]
    first: Option<f64>,
    /// The newest reading.
    #[schema(required = true)]
    last: Option<f64>,
}

/// One reading.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Reading {
    /// When the value was observed.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) at: Timestamp,
    /// The value.
    pub(crate) value: f64,
}

/// The readings of one window.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct WindowPoint {
    /// The window's start, inclusive.
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    /// The window's end, exclusive.
    #[schema(value_type = String, format = DateTime)]
    to: Timestamp,
    /// Number of readings in the window.
    count: u64,
    #[schema(required = true)]
    min: Option<f64>,
    #[schema(required = true)]
    max: Option<f64>,
    #[schema(required = true)]
    mean: Option<f64>,
}

/// The width of windows, in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window(i64);

impl Window {
    /// Parses a width such as `30s`, `5m`, `1h` or `1d`, from a second to a day.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 60 * 60,
            "d" => 24 * 60 * 60,
            _ => return None,
        };
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
        let count: i64 = digits.parse().ok().filter(|_| is_number)?;
        let width = count.checked_mul(seconds)?;
        (1..=limits::WINDOW_SECONDS).contains(&width).then_some(Self(width))
    }

    /// The start of the window that contains an instant.
    pub(crate) fn start(self, instant: Timestamp) -> Timestamp {
        let seconds = instant.whole_seconds();
        let start = seconds - seconds.rem_euclid(self.0);
        Timestamp::from_micros(start * 1_000_000).unwrap_or(Timestamp::MIN)
    }
}

/// Running statistics.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Statistics {
    count: u64,
    min: f64,
    max: f64,
    sum: f64,
    first: f64,
    last: f64,
}

impl Statistics {
    fn of(value: f64) -> Self {
        Self { count: 1, min: value, max: value, sum: value, first: value, last: value }
    }

    /// Adds the statistics of later readings.
    fn and(self, later: Self) -> Self {
        Self {
            count: self.count + later.count,
            min: self.min.min(later.min),
            max: self.max.max(later.max),
            sum: self.sum + later.sum,
            first: self.first,
            last: later.last,
        }
    }

    /// The mean, or `None` if the sum overflows.
    fn mean(self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "no answer reads 2^53 events")]
        let mean = self.sum / self.count as f64;
        Some(mean).filter(|mean| mean.is_finite())
    }
}

impl Summary {
    fn of(parts: impl Iterator<Item = Statistics>) -> Self {
        let all = parts.reduce(Statistics::and);
        Self {
            count: all.map_or(0, |all| all.count),
            min: all.map(|all| all.min),
            max: all.map(|all| all.max),
            mean: all.and_then(Statistics::mean),
            first: all.map(|all| all.first),
            last: all.map(|all| all.last),
        }
    }
}

/// Single readings, in order.
#[derive(Debug, Default)]
pub(crate) struct Readings(Vec<Reading>);

impl Readings {
    pub(crate) fn take(&mut self, at: Timestamp, value: f64) {
        self.0.push(Reading { at, value });
    }

    pub(crate) fn finish(self) -> (Summary, Vec<Reading>) {
        let summary = Summary::of(self.0.iter().map(|reading| Statistics::of(reading.value)));
        (summary, self.0)
    }
}

/// Windows of readings, in order.
#[derive(Debug)]
pub(crate) struct Windows {
    width: Window,
    windows: Vec<(Timestamp, Statistics)>,
}

impl Windows {
    pub(crate) fn new(width: Window) -> Self {
        Self { width, windows: Vec::new() }
    }

    pub(crate) fn take(&mut self, at: Timestamp, value: f64) {
        let start = self.width.start(at);
        let reading = Statistics::of(value);
        match self.windows.last_mut() {
            Some((last, statistics)) if *last == start => *statistics = statistics.and(reading),
            _ => self.windows.push((start, reading)),
        }
    }

    /// Drops the windows that start at or after this instant.
    pub(crate) fn end_before(&mut self, instant: Timestamp) {
        self.windows.retain(|(start, _)| *start < instant);
    }

    pub(crate) fn finish(self) -> (Summary, Vec<WindowPoint>) {
        let summary = Summary::of(self.windows.iter().map(|(_, statistics)| *statistics));
        let width = self.width.0;
        let points = self.windows.into_iter().map(|(from, statistics)| WindowPoint {
            from,
            to: from.plus_seconds(width),
            count: statistics.count,
            min: Some(statistics.min),
            max: Some(statistics.max),
            mean: statistics.mean(),
        });
        (summary, points.collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn second(at: i64) -> Timestamp {
        Timestamp::from_micros(at * 1_000_000).expect("in range")
    }

    fn windows(width: &str, readings: &[(i64, f64)]) -> Windows {
        let mut windows = Windows::new(Window::parse(width).expect("a width"));
        readings.iter().for_each(|(at, value)| windows.take(second(*at), *value));
        windows
    }

    #[test]
    fn a_window_is_a_second_to_a_day_wide() {
        for (text, seconds) in [("1s", 1), ("5m", 300), ("24h", 86_400), ("1d", 86_400)] {
            assert_eq!(Window::parse(text), Some(Window(seconds)), "{text}");
        }
        for text in ["", "s", "5", "0s", "2d", "25h", "+5m", "-5m", "5M", "5 m", "1w", "5mm", "5µ"]
        {
            assert_eq!(Window::parse(text), None, "{text}");
        }
        let large = format!("{}m", i64::MAX);
        assert_eq!(Window::parse(&large), None);
    }

    #[test]
    fn windows_are_aligned_to_1970_also_before_1970() {
        let width = Window::parse("5m").expect("a width");
        for (at, start) in [(0, 0), (299, 0), (300, 300), (-1, -300), (-300, -300)] {
            assert_eq!(width.start(second(at)), second(start), "{at}");
        }
    }

    #[test]
    fn each_window_has_its_own_statistics_and_empty_windows_are_left_out() {
        let (summary, points) = windows("10s", &[(1, 4.0), (9, 2.0), (31, 6.0)]).finish();
        let points = serde_json::to_value(&points).expect("JSON");
        assert_eq!(
            points,
            json!([
                {"from": "1970-01-01T00:00:00.000Z", "to": "1970-01-01T00:00:10.000Z",
                 "count": 2, "min": 2.0, "max": 4.0, "mean": 3.0},
                {"from": "1970-01-01T00:00:30.000Z", "to": "1970-01-01T00:00:40.000Z",
                 "count": 1, "min": 6.0, "max": 6.0, "mean": 6.0},
            ])
        );
        let expected =
            json!({"count": 3, "min": 2.0, "max": 6.0, "mean": 4.0, "first": 4.0, "last": 6.0});
        assert_eq!(serde_json::to_value(&summary).expect("JSON"), expected);
    }

    #[test]
    fn a_response_that_ends_early_has_whole_windows_and_their_summary() {
        let mut early = windows("10s", &[(1, 4.0), (11, 2.0), (12, 9.0)]);
        early.end_before(second(10));
        let (summary, points) = early.finish();
        assert_eq!((points.len(), summary.count, summary.last), (1, 1, Some(4.0)));
    }

    #[test]
    fn without_readings_everything_but_the_count_is_null() {
        let expected = json!({
            "count": 0, "min": null, "max": null, "mean": null, "first": null, "last": null,
        });
        let (summary, points) = Readings::default().finish();
        assert_eq!(serde_json::to_value(&summary).expect("JSON"), expected);
        assert!(points.is_empty());
    }

    #[test]
    fn a_mean_whose_sum_overflows_is_null() {
        let (summary, points) = windows("1h", &[(1, f64::MAX), (2, f64::MAX)]).finish();
        assert_eq!((summary.mean, summary.max), (None, Some(f64::MAX)));
        assert_eq!(points[0].mean, None);
    }

    proptest! {
        #[test]
        fn windows_and_single_readings_have_the_same_summary(
            mut readings in proptest::collection::vec((-500i64..500, -100i32..100), 0..60),
        ) {
            readings.sort_unstable_by_key(|(at, _)| *at);
            let readings: Vec<(i64, f64)> =
                readings.into_iter().map(|(at, value)| (at, f64::from(value))).collect();
            let mut singly = Readings::default();
            readings.iter().for_each(|(at, value)| singly.take(second(*at), *value));
            let (single, _) = singly.finish();
            let (windowed, points) = windows("7s", &readings).finish();
            prop_assert_eq!(single, windowed);
            prop_assert!(points.is_sorted_by(|one, next| one.to <= next.from));
        }
    }
}
