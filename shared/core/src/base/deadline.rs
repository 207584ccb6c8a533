//! How long an invocation may go on taking things in hand. The same for every function that Lambda
//! gives a deadline, wherever its events come from.

use std::time::Duration;

use crate::base::time::Timestamp;

/// What is left of an invocation's time for the call that runs, queues and the answer.
const MARGIN: Duration = Duration::from_secs(5);
/// The time of an invocation that brings no deadline.
const UNKNOWN_SECONDS: i64 = 60;

/// When to take nothing more in hand: a margin before the invocation's deadline, but never more
/// than a quarter of the time that there is. Lambda invokes nothing whose time is over, so such a
/// deadline is none: `cargo lambda watch` sends a constant in 1970.
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
    fn the_margin_is_five_seconds_or_a_quarter_of_what_is_left() {
        assert_eq!(stop_at(instant(0), 60_000), instant(55_000));
        assert_eq!(stop_at(instant(0), 4_000), instant(3_000));
    }

    #[test]
    fn a_deadline_that_is_over_is_none() {
        for deadline in [0, 4_000, u64::MAX] {
            assert_eq!(stop_at(instant(5_000), deadline), instant(60_000), "{deadline}");
        }
    }
}
