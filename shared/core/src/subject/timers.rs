//! Sets, moves and finishes timers: the order of the writes to their two items.
//!
//! The order makes every operation safe to stop after any write, and to repeat:
//!
//! - *Arm*: armed minute, then entry. A repetition puts the entry that is missing.
//! - *Move*: new entry, then armed minute, then the old entry is deleted. Until the armed minute is replaced,
//!   the old entry counts.
//! - *Finish*: the armed minute is deleted, then the entry. An entry without its armed minute is dropped when
//!   the sweep meets it.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::base::cost::Units;
use crate::base::dependency::Dependency;
use crate::base::error::{Reason, Unavailable};
use crate::base::time::Timestamp;
use crate::outputs::timers::sweeping::SweepState;
use crate::outputs::timers::{Minute, Replaced, Timer, arming};
use crate::ports::Timers;

/// Attempts against concurrent calls for the same timer.
const ATTEMPTS: u32 = 5;

/// Arms timers. Keep one value per environment: its first call makes sure that the sweep has a cursor, which
/// costs 1 write unit. Without a cursor, the first sweep would begin behind the timers that are set before it.
#[derive(Debug, Default)]
pub struct Armer {
    has_cursor: AtomicBool,
}

impl Armer {
    /// Arms a timer, unless it is already armed for an earlier minute that the sweep has not reached. The call
    /// may be repeated. Costs 2 write units, or 3 if the timer was armed.
    ///
    /// # Errors
    /// The table does not answer, or concurrent calls win every attempt. The commit that needs the timer must
    /// then be delivered again.
    pub async fn arm(
        &self,
        timers: &impl Timers,
        timer: &Timer,
        now: Timestamp,
    ) -> Result<Units, Unavailable> {
        let mut units = self.ensure_cursor(timers, now).await?;
        let minute = armed_minute(timers, timer, now, &mut units).await?;
        units += timers.put_entry(&Timer { minute, ..timer.clone() }).await?;
        Ok(units)
    }

    async fn ensure_cursor(
        &self,
        timers: &impl Timers,
        now: Timestamp,
    ) -> Result<Units, Unavailable> {
        if self.has_cursor.load(Ordering::Relaxed) {
            return Ok(Units::default());
        }
        let units = timers.replace_sweep_state(None, &SweepState::begin(now)).await?.units;
        self.has_cursor.store(true, Ordering::Relaxed);
        Ok(units)
    }
}

/// Moves a timer from its minute to this one. Costs 3 write units. If the timer was armed meanwhile for
/// another minute, that minute stays, and the new entry is dropped when the sweep meets it.
pub(super) async fn move_to(
    timers: &impl Timers,
    timer: &Timer,
    minute: Minute,
    failures: u32,
) -> Result<Units, Unavailable> {
    let moved = Timer { key: timer.key.clone(), minute, failures };
    let mut units = timers.put_entry(&moved).await?;
    let (expected, new) = (Some(timer.minute), Some(minute));
    units += timers.replace_armed_minute(&timer.key, expected, new).await?.units;
    units += timers.delete_entry(timer).await?;
    Ok(units)
}

/// Finishes a timer. Costs 2 write units. If the timer was armed meanwhile for another minute, it stays armed.
pub(super) async fn finish(timers: &impl Timers, timer: &Timer) -> Result<Units, Unavailable> {
    let expected = Some(timer.minute);
    let mut units = timers.replace_armed_minute(&timer.key, expected, None).await?.units;
    units += timers.delete_entry(timer).await?;
    Ok(units)
}

/// Stores the minute of a timer, unless the stored minute is as good. Returns the stored minute.
async fn armed_minute(
    timers: &impl Timers,
    timer: &Timer,
    now: Timestamp,
    units: &mut Units,
) -> Result<Minute, Unavailable> {
    let mut expected = None;
    for _ in 0..ATTEMPTS {
        let replaced =
            timers.replace_armed_minute(&timer.key, expected, Some(timer.minute)).await?;
        *units += replaced.units;
        match replaced.answer {
            Replaced::Done => return Ok(timer.minute),
            Replaced::Other(Some(armed)) if arming::stays(armed, timer.minute, now) => {
                return Ok(armed);
            }
            Replaced::Other(stored) => expected = stored,
        }
    }
    let message = "concurrent calls won every attempt at this timer";
    Err(Unavailable::new(Reason::Contention, message).of(Dependency::OutputsTable))
}
