//! When an invocation stops starting new work. The rule is the same for every function.

use std::time::Duration;

use crate::base::time::Timestamp;

/// Time reserved for the running call, the queues and the response.
const MARGIN: Duration = Duration::from_secs(5);
/// The assumed time limit of an invocation without a deadline.
const UNKNOWN_SECONDS: i64 = 60;

/// When to stop starting new work: a margin before the invocation's deadline, but at most a quarter
/// of the remaining time. A deadline in the past counts as absent, because Lambda never invokes
/// with one: `cargo lambda watch` sends a constant in 1970.
pub fn stop_at(now: Timestamp, deadline_millis: u64) -> Timestamp {
    let deadline = i64::try_from(deadline_millis).ok().and_then(Timestamp::from_millis);
    let deadline = deadline.filter(|deadline| *deadline > now);
    let deadline = deadline.unwrap_or_else(|| now.plus_seconds(UNKNOWN_SECONDS));
    let margin = i64::try_from(MARGIN.as_micros()).unwrap_or(i64::MAX);
    let margin = margin.min((deadline.micros() - now.micros()) / 4);
    Timestamp::from_micros(deadline.micros() - margin).unwrap_or(deadline)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instant(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis).expect("in range")
    }

    #[test]
    fn the_margin_is_five_seconds_or_a_quarter_of_the_remaining_time() {
        assert_eq!(stop_at(instant(0), 60_000), instant(55_000));
        assert_eq!(stop_at(instant(0), 4_000), instant(3_000));
    }

    #[test]
    fn a_deadline_in_the_past_counts_as_absent() {
        for deadline in [0, 4_000, u64::MAX] {
            assert_eq!(stop_at(instant(5_000), deadline), instant(60_000), "{deadline}");
        }
    }
}
