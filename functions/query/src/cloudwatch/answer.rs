//! Turns CloudWatch's results into counts. A partial result may be completed on a later page. If a
//! result stays partial, all counts are discarded.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudwatch::types::{MetricDataResult, StatusCode};
use drover_core::base::error::{Reason, Unavailable};
use drover_core::base::metrics::{Counts, Metric};
use drover_core::base::time::Timestamp;

use super::question::Question;

/// The counts that CloudWatch holds for a tenant.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// The beginning of the counts: a day ago, rounded down to five minutes.
    pub since: Timestamp,
    /// The metrics of [`drover_core::base::metrics::emf::OF_A_TENANT`], and rejections by code.
    pub counts: Counts,
    /// Applied events by minute since 1970.
    pub minutes: BTreeMap<i64, f64>,
}

const SECONDS_PER_MINUTE: i64 = 60;

/// The results received so far.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Points: start in seconds since 1970, and value.
    points: BTreeMap<Question, Vec<(i64, f64)>>,
    complete: BTreeSet<Question>,
}

impl Answers {
    /// Adds one page's result for one query.
    ///
    /// # Errors
    /// The query failed for good.
    pub(super) fn take(&mut self, result: &MetricDataResult) -> Result<(), Unavailable> {
        let id = result.id().unwrap_or("none");
        let Some(question) = Question::all().find(|question| question.id() == id) else {
            let message = format!("reading counts returned an unknown metric: id=`{id}`");
            return Err(Unavailable::new(Reason::Unreachable, message));
        };
        match result.status_code() {
            Some(StatusCode::Complete) => self.complete.insert(question),
            Some(StatusCode::Forbidden) => {
                let message = format!("reading counts is forbidden: metric=`{id}`");
                return Err(Unavailable::new(Reason::Misconfigured, message));
            }
            // The next page, if there is one, continues the result.
            _ => self.complete.remove(&question),
        };
        let begins = result.timestamps().iter().map(|begin| begin.secs());
        let points = begins.zip(result.values().iter().copied());
        self.points.entry(question).or_default().extend(points);
        Ok(())
    }

    /// The counts, after the last page.
    ///
    /// # Errors
    /// A result is still partial.
    pub(super) fn kept(self, since: Timestamp) -> Result<Kept, Unavailable> {
        if let Some(missing) = Question::all().find(|question| !self.complete.contains(question)) {
            let message =
                format!("reading counts returned partial data: metric=`{}`", missing.id());
            return Err(Unavailable::new(Reason::Unreachable, message));
        }
        let mut kept = Kept { since, counts: Counts::default(), minutes: BTreeMap::new() };
        for (question, points) in self.points {
            kept.take(question, &points);
        }
        Ok(kept)
    }
}

impl Kept {
    fn take(&mut self, question: Question, points: &[(i64, f64)]) {
        let sum: f64 = points.iter().map(|(_, value)| value).sum();
        match question {
            Question::Sum(metric) if sum > 0.0 => {
                self.counts.counts.insert(metric, sum);
            }
            Question::Rejections(code) if sum > 0.0 => {
                self.counts.errors.insert(code, whole(sum).unsigned_abs());
            }
            Question::LastMessage => {
                let newest = points.iter().map(|(_, value)| *value).max_by(f64::total_cmp);
                let micros = newest.and_then(|seconds| whole(seconds).checked_mul(1_000_000));
                self.counts.last_message = micros.and_then(Timestamp::from_micros);
            }
            Question::Sum(_) | Question::Rejections(_) => {}
        }
        if question == Question::Sum(Metric::EventsProcessed) {
            let minutes =
                points.iter().map(|(begin, sum)| (begin.div_euclid(SECONDS_PER_MINUTE), *sum));
            self.minutes.extend(minutes);
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "whole seconds and counts, or the nearest end")]
fn whole(value: f64) -> i64 {
    value as i64
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudwatch::primitives::DateTime;
    use drover_core::base::error::Code;

    use super::*;

    fn result(id: &str, status: &str, points: &[(i64, f64)]) -> MetricDataResult {
        let begins = points.iter().map(|(begin, _)| DateTime::from_secs(*begin)).collect();
        MetricDataResult::builder()
            .id(id)
            .status_code(status.into())
            .set_timestamps(Some(begins))
            .set_values(Some(points.iter().map(|(_, value)| *value).collect()))
            .build()
    }

    fn nothing() -> Vec<MetricDataResult> {
        Question::all().map(|question| result(question.id(), "Complete", &[])).collect()
    }

    fn kept(pages: &[MetricDataResult]) -> Result<Kept, Unavailable> {
        let mut answers = Answers::default();
        pages.iter().try_for_each(|result| answers.take(result))?;
        answers.kept(Timestamp::MIN)
    }

    #[test]
    fn points_become_sums_rates_and_the_newest_time() {
        let mut results = nothing();
        results.push(result("events_processed_total", "Complete", &[(120, 4.0), (60, 3.0)]));
        results.push(result("corrections_total", "Complete", &[(300, 2.0), (0, 1.0)]));
        results.push(result("too_large", "Complete", &[(0, 5.0)]));
        let newest = [(300, 1_795_000_000.0), (0, 1_795_000_100.0)];
        results.push(result("last_message_timestamp_seconds", "Complete", &newest));
        let Kept { counts, minutes, .. } = kept(&results).expect("all answers");
        let sums = [(Metric::EventsProcessed, 7.0), (Metric::Corrections, 3.0)];
        assert_eq!(counts.counts, BTreeMap::from(sums), "zero is left out");
        assert_eq!(counts.errors, BTreeMap::from([(Code::TooLarge, 5)]));
        assert_eq!(counts.last_message, Timestamp::from_millis(1_795_000_100_000));
        assert_eq!(minutes, BTreeMap::from([(1, 3.0), (2, 4.0)]));
    }

    #[test]
    fn a_result_may_span_several_pages() {
        let mut results = nothing();
        results.retain(|result| result.id() != Some("events_late_total"));
        results.push(result("events_late_total", "PartialData", &[(300, 2.0)]));
        let error = kept(&results).expect_err("a part");
        assert_eq!(
            error.message,
            "reading counts returned partial data: metric=`events_late_total`"
        );
        results.push(result("events_late_total", "Complete", &[(0, 1.0)]));
        let counts = kept(&results).expect("all answers").counts;
        assert_eq!(counts.get(Metric::EventsLate), 3.0);
    }

    #[test]
    fn partial_results_are_an_error() {
        for (status, reason) in [
            ("InternalError", Reason::Unreachable),
            ("SomethingNew", Reason::Unreachable),
            ("Forbidden", Reason::Misconfigured),
        ] {
            let mut results = nothing();
            results.push(result("invalid_id", status, &[(0, 1.0)]));
            assert_eq!(kept(&results).expect_err(status).reason, reason);
        }
        let absent = &nothing()[1..];
        assert_eq!(kept(absent).expect_err("absent").reason, Reason::Unreachable);
        let mut strange = nothing();
        strange.push(result("q1", "Complete", &[]));
        assert_eq!(kept(&strange).expect_err("strange").reason, Reason::Unreachable);
    }

    #[test]
    fn invalid_numbers_do_no_harm() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 1e300] {
            let mut results = nothing();
            for question in Question::all() {
                results.push(result(question.id(), "Complete", &[(i64::MIN, value), (0, value)]));
            }
            let newest = kept(&results).expect("all answers").counts.last_message;
            let seconds = newest.map(Timestamp::whole_seconds);
            assert!(matches!(seconds, None | Some(0 | -1)), "{value} {seconds:?}");
        }
    }
}
