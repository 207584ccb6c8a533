//! Counts the steps of a run. Steps measure the work of the program and never time, so a record has the
//! same result on every machine.
//!
//! jaq compares, adds and collects values without passing a context, so the meter is a thread-local: a
//! run never leaves its thread and never waits. An exceeded meter stays exceeded. The driver checks it
//! after every output, so no program can catch the end of a run.

use std::cell::Cell;

/// The limit that a run exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// The steps for the length of its record.
    Steps,
    /// The size of a value.
    Weight,
    /// The depth of a value.
    Depth,
    /// The number of items of an array or object.
    Items,
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

/// Takes steps. Returns `false` if there are none left; the caller then returns as soon as possible.
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

/// Takes the steps for processing so many bytes or items.
pub(super) fn charge_for(length: usize) -> bool {
    const AT_ONCE: usize = 16;
    charge(1 + u64::try_from(length / AT_ONCE).unwrap_or(u64::MAX))
}

/// Ends the run.
pub(super) fn exceed(over: Over) {
    let meter = METER.get();
    METER.set(Meter { left: 0, over: meter.over.or(Some(over)) });
}

/// The limit that the run exceeded, if any.
pub(super) fn over() -> Option<Over> {
    METER.get().over
}

/// The remaining steps.
#[cfg(test)]
pub(super) fn left() -> u64 {
    METER.get().left
}
