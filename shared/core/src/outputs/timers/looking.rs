//! What the sweep does when a timer is due, by the head that it read.

use super::arming::stale_seconds;
use super::{Minute, TimerKind};
use crate::base::time::Timestamp;
use crate::ledger::Head;
use crate::ledger::touch::Touch;
use crate::outputs::TenantOutputs;
use crate::outputs::alerts::effect::next_look_of;
use crate::view::Specs;

/// The longest wait after a failure, in minutes.
pub const LONGEST_WAIT_MINUTES: i64 = 32;

/// What to do with a subject whose timer is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Touch its head. Then the timer is finished.
    Touch(Touch),
    /// Update its stale views. Then the timer is finished.
    Carry,
    /// Nothing: the timer is finished.
    Finish,
    /// Look again in this minute.
    Move(Minute),
}

/// Decides by the head. `specs` is what the entries of its tail are folded by; only [`TimerKind::Absence`] needs it.
/// The clock of the sweep decides only whether the time has come: what a touch or a carry writes is in event time.
pub fn look(
    kind: TimerKind,
    head: &Head,
    outputs: TenantOutputs<'_>,
    specs: &Specs,
    now: Timestamp,
) -> Look {
    if head.version == 0 || head.is_forgotten() {
        return Look::Finish;
    }
    match kind {
        TimerKind::Resend => Look::Touch(Touch::Resend),
        // The relay sets the timer again if another pause lasts.
        TimerKind::Snooze => Look::Touch(Touch::Acted),
        TimerKind::Release => when(silent_from(head, outputs), Look::Touch(Touch::Release), now),
        // Until its views are up to date nothing is known of its rules.
        TimerKind::Absence if head.stale.is_some() => Look::Move(Minute::earliest(now)),
        TimerKind::Absence => {
            let due = next_look_of(head, specs);
            when(due, due.map_or(Look::Finish, |due| Look::Touch(Touch::Look(due))), now)
        }
        TimerKind::Carry => when(stale_too_long_from(head, outputs), Look::Carry, now),
    }
}

/// The minute of the next try after so many failures in succession: 2 minutes ahead, then 4, at most
/// [`LONGEST_WAIT_MINUTES`].
pub fn next_try(failures: u32, now: Timestamp) -> Minute {
    let minutes = 1 << failures.clamp(1, LONGEST_WAIT_MINUTES.ilog2());
    Minute::of(now).plus(minutes).max(Minute::earliest(now))
}

/// `None`: there is nothing to do.
fn when(due: Option<Timestamp>, act: Look, now: Timestamp) -> Look {
    match due {
        None => Look::Finish,
        Some(due) if due <= now => act,
        Some(due) => Look::Move(Minute::for_due(due, now)),
    }
}

/// When the subject counts as silent, if nothing more comes: `idle_seconds` after the newest event that the
/// head knows was observed and received. An event that went into a page does not count, because it is not
/// the newest. `None`: every event is settled, or no feed waits for that.
fn silent_from(head: &Head, outputs: TenantOutputs<'_>) -> Option<Timestamp> {
    if head.released >= head.watermark || !outputs.wait_for_settled() {
        return None;
    }
    let received = head.tail.iter().map(|entry| entry.ingested_at).max();
    let newest = received.max(head.watermark)?;
    Some(newest.plus_seconds(i64::from(outputs.feeds.idle_seconds)))
}

/// When the views have been stale for too long. `None`: they are up to date.
fn stale_too_long_from(head: &Head, outputs: TenantOutputs<'_>) -> Option<Timestamp> {
    Some(head.stale.as_ref()?.since.plus_seconds(stale_seconds(outputs)))
}

#[cfg(test)]
mod tests;
