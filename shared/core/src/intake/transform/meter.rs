//! The steps that a run may take. The count is of what the program does and never of time, so a
//! record ends the same way on every machine.
//!
//! Values are compared, added and collected in places where jaq passes no context along, so the meter
//! stands beside the run: a run never leaves its thread and never waits. A meter that is over stays
//! over, and whoever drives the run looks at it after every output: nothing in a program can catch
//! that.

use std::cell::Cell;

/// What a run went over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// The steps that its record pays for.
    Steps,
    /// The size, the depth or the number of items that one value may have.
    Value,
}

#[derive(Clone, Copy)]
struct Meter {
    left: u64,
    over: Option<Over>,
}

thread_local! {
    static METER: Cell<Meter> = const { Cell::new(Meter { left: 0, over: None }) };
}

/// Starts a run.
pub(super) fn start(steps: u64) {
    METER.set(Meter { left: steps, over: None });
}

/// Takes steps. `false`: there are no more, and whoever asked ends as soon as possible.
pub(super) fn charge(steps: u64) -> bool {
    let meter = METER.get();
    if meter.over.is_some() {
        return false;
    }
    match meter.left.checked_sub(steps) {
        Some(left) => {
            METER.set(Meter { left, over: None });
            true
        }
        None => {
            exceed(Over::Steps);
            false
        }
    }
}

/// Takes the steps of going through so many bytes or items.
pub(super) fn charge_for(length: usize) -> bool {
    const AT_ONCE: usize = 16;
    charge(1 + u64::try_from(length / AT_ONCE).unwrap_or(u64::MAX))
}

/// Ends the run.
pub(super) fn exceed(over: Over) {
    let meter = METER.get();
    METER.set(Meter { left: 0, over: meter.over.or(Some(over)) });
}

/// What the run went over.
pub(super) fn over() -> Option<Over> {
    METER.get().over
}

/// The steps that are left.
#[cfg(test)]
pub(super) fn left() -> u64 {
    METER.get().left
}
