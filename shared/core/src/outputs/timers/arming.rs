//! Which timers a commit needs, and for which minute.
//!
//! A commit needs a timer only where a condition begins, so that a subject costs one timer for each period
//! of silence and not one for each event.

use super::{Minute, Timer, TimerKind};
use crate::base::id::SubjectKey;
use crate::base::limits::CARRY_AFTER_SECONDS;
use crate::base::time::Timestamp;
use crate::outputs::TenantOutputs;
use crate::outputs::changes::{Changes, Extent, Staleness};

/// How long views may be stale where a feed or alerts wait for them, in seconds.
const CARRY_SOON_SECONDS: i64 = 60;

/// The timers that a commit needs, by its changes and what is told of its tenant:
///
/// - `release`, due after `idle_seconds`, if a feed waits for settled events, and the subject has unsettled
///   events and had none before.
/// - `carry`, if the views became stale: as soon as possible if a feed or alerts wait for views, else after
///   [`CARRY_AFTER_SECONDS`].
///
/// If commits may be missing between the two images ([`Extent::Whole`]), only the state after the commit
/// counts.
pub fn armed_by(
    subject: &SubjectKey,
    changes: &Changes,
    outputs: TenantOutputs<'_>,
    now: Timestamp,
) -> Vec<Timer> {
    let (begins_unsettled, begins_stale) = match changes.extent {
        Extent::Whole => (changes.has_unsettled, changes.is_stale()),
        Extent::Commit => (
            changes.has_unsettled && !changes.had_unsettled,
            matches!(changes.staleness, Staleness::Begun(_)),
        ),
    };
    let release = begins_unsettled && outputs.wait_for_settled();
    let release = release.then(|| (TimerKind::Release, i64::from(outputs.feeds.idle_seconds)));
    let carry = begins_stale.then(|| (TimerKind::Carry, stale_seconds(outputs)));
    let timer = |(kind, seconds)| Timer::new(kind, subject.clone(), now.plus_seconds(seconds), now);
    release.into_iter().chain(carry).map(timer).collect()
}

/// The timer by which the sweep looks whether silence opens or closes an alert of the subject.
pub fn absence(subject: &SubjectKey, due: Timestamp, now: Timestamp) -> Timer {
    Timer::new(TimerKind::Absence, subject.clone(), due, now)
}

/// The timer by which an alert whose pause is over is sent again.
pub fn snooze(subject: &SubjectKey, until: Timestamp, now: Timestamp) -> Timer {
    Timer::new(TimerKind::Snooze, subject.clone(), until, now)
}

/// Whether a timer that is armed for a minute stays as it is, although `wanted` is asked for now: it must be
/// due by then, and the sweep must not be at work on it.
pub fn stays(armed: Minute, wanted: Minute, now: Timestamp) -> bool {
    Minute::earliest(now) <= armed && armed <= wanted
}

/// How long views may be stale, in seconds.
pub(super) fn stale_seconds(outputs: TenantOutputs<'_>) -> i64 {
    if outputs.wait_for_views() { CARRY_SOON_SECONDS } else { CARRY_AFTER_SECONDS }
}

#[cfg(test)]
mod tests;
