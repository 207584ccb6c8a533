//! What timers cost where nothing fails: the numbers in the documentation.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt as _;
use proptest::prelude::*;

use super::super::fixture::{Played, second};
use crate::intake::tenant::Feeds;
use crate::memory::{Call, Fault};
use crate::outputs::changes::Changes;
use crate::outputs::timers::TimerKind;
use crate::outputs::timers::arming::armed_by;
use crate::subject::sweep::{SweepEnd, TimerOutcome};

/// Seconds between the events of one subject, and what happened until it fell silent.
fn gaps() -> impl Strategy<Value = Vec<i64>> {
    let gap = prop_oneof![6 => 1i64..60, 3 => 60i64..300, 2 => 300i64..2_000];
    proptest::collection::vec(gap, 1..60)
}

proptest! {
    /// A period of silence ends with one touch. It costs two writes to arm and two to finish; while the
    /// subject is active, a look costs three, at most one in two minutes, whatever the subject sends.
    #[test]
    fn writes_depend_on_the_periods_of_silence_and_not_on_the_events(gaps in gaps()) {
        let (played, key) = (Played::new(), Played::key("demo", "d1"));
        let writes = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&writes);
        played.ports.fail(move |call| {
            counter.fetch_add(u64::from(call == Call::TimerWrite), Ordering::Relaxed);
            Fault::None
        });
        let feeds = Feeds { enabled: [crate::intake::tenant::Feed::Settled].into(), ..Feeds::default() };
        let mut outcomes: BTreeMap<TimerOutcome, u64> = BTreeMap::new();
        let (mut armed, mut now, mut old) = (0, 0, None);
        let quiet = [3_600];
        for gap in gaps.iter().chain(&quiet) {
            played.at(now);
            played.event(&key, now);
            let new = played.head(&key);
            let changes = Changes::between(old.as_ref(), &new);
            for timer in armed_by(&key, &changes, (&feeds).into(), second(now)) {
                prop_assert_eq!(timer.key.kind, TimerKind::Release);
                armed += 1;
                played.armer.arm(&played.ports, &timer, second(now)).now_or_never();
            }
            let next = now + gap;
            for at in (now + 1..=next).filter(|at| at % 60 == 0) {
                let swept = played.sweep_at(at);
                prop_assert_eq!(swept.end, SweepEnd::CaughtUp);
                for (outcome, number) in swept.tally.timers {
                    *outcomes.entry(outcome).or_default() += number;
                }
            }
            (now, old) = (next, Some(played.head(&key)));
        }
        let number = |outcome| outcomes.get(&outcome).copied().unwrap_or_default();
        let (released, moved) = (number(TimerOutcome::Released), number(TimerOutcome::Moved));
        prop_assert_eq!(armed, released, "one timer for each period of silence");
        prop_assert_eq!(outcomes.values().sum::<u64>(), released + moved);
        let active: i64 = gaps.iter().filter(|gap| **gap < 400).sum();
        prop_assert!(i64::try_from(moved).expect("few") <= active / 120 + 1, "moved {moved} times");
        prop_assert_eq!(writes.load(Ordering::Relaxed), 4 * released + 3 * moved);
    }
}
