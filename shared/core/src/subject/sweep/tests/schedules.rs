//! The property test of timers, over the real core with a played clock. Subjects get events, also late ones;
//! a relay follows their heads, by any lag, with a clock of its own, and arms timers; two sweeps run. Between
//! any two calls of the ports a relay or a sweep may stop for hours or for ever, calls fail, and a table is
//! broken. In the end everything is delivered, and the sweep runs each minute. Then
//!
//! - every event of a subject that fell silent is settled,
//! - no views are stale,
//! - every subject that was to be sent again was touched,
//! - and no timer is left.
//!
//! Where no sweep stops between two calls, no subject is released before it was silent long enough.
//!
//! A quarter of `PROPTEST_CASES` is the number of cases, and `PROPTEST_RNG_SEED` draws the same ones again; a failing case
//! prints its input, and its seed is kept and run first the next time.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError};

use self::harness::{Harness, RELAY, SUBJECTS, TASKS};

mod costs;
mod harness;

/// What happens in a case.
#[derive(Clone, Debug)]
struct Script {
    steps: Vec<Step>,
    /// How far the clock of the relay is ahead, in seconds.
    skew: i64,
    /// Whether a sweep runs from its beginning to its end without a pause.
    is_calm: bool,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// An event is received that was observed so many seconds before.
    Event { subject: usize, ago: i64 },
    /// A target of the subject's feeds failed: the relay asks for a resend.
    Resend(usize),
    /// The relay takes the next record, or a sweep starts, unless it runs.
    Start(usize),
    /// A task goes on for so many calls.
    Poll { task: usize, calls: usize },
    /// A task goes on, or starts, until it is about to write to a timer for so many more times.
    PollToWrite { task: usize, writes: usize },
    /// A task stops for ever. A relay comes back without its memory.
    Crash(usize),
    /// The relay goes back by so many records.
    Redeliver(usize),
    /// So many seconds pass.
    Later(i64),
    /// The next call of a table fails.
    Fault(u8),
    /// The table of a tenant is broken, or works again.
    BreakTable(bool),
}

fn a_step() -> impl Strategy<Value = Step> {
    let ago = prop_oneof![4 => 0i64..3, 2 => 3i64..300, 1 => 300i64..9_000];
    let seconds = prop_oneof![8 => 0i64..90, 3 => 90i64..400, 1 => 400i64..10_000];
    prop_oneof![
        10 => (0..SUBJECTS, ago).prop_map(|(subject, ago)| Step::Event { subject, ago }),
        1 => (0..SUBJECTS).prop_map(Step::Resend),
        12 => (0..TASKS).prop_map(Step::Start),
        20 => (0..TASKS, 1usize..30).prop_map(|(task, calls)| Step::Poll { task, calls }),
        4 => Just(Step::Poll { task: RELAY, calls: 30 }),
        8 => (0..TASKS, 1usize..6).prop_map(|(task, writes)| Step::PollToWrite { task, writes }),
        3 => (0..TASKS).prop_map(Step::Crash),
        1 => (1usize..8).prop_map(Step::Redeliver),
        10 => seconds.prop_map(Step::Later),
        3 => (0u8..12).prop_map(Step::Fault),
        1 => any::<bool>().prop_map(Step::BreakTable),
    ]
}

fn a_script() -> impl Strategy<Value = Script> {
    let steps = proptest::collection::vec(a_step(), 20..250);
    (steps, -60i64..=60, any::<bool>()).prop_map(|(steps, skew, is_calm)| Script {
        steps,
        skew,
        is_calm,
    })
}

fn run(script: &Script) -> Result<(), String> {
    let mut harness = Harness::new(script.skew);
    for step in &script.steps {
        match *step {
            Step::Event { subject, ago } => harness.event(subject, ago)?,
            Step::Resend(subject) => harness.want_resend(subject),
            Step::Start(task) => harness.start(task, script.is_calm)?,
            Step::Poll { task, calls } => harness.poll(task, calls)?,
            Step::PollToWrite { task, writes } => {
                harness.start(task, script.is_calm)?;
                harness.poll_to_write(task, writes)?;
            }
            Step::Crash(task) => harness.crash(task),
            Step::Redeliver(records) => harness.redeliver(records),
            Step::Later(seconds) => harness.pass(seconds),
            Step::Fault(how) => harness.fault(how),
            Step::BreakTable(is_broken) => harness.break_table(is_broken),
        }
    }
    harness.drain()?;
    harness.check()
}

/// A case takes several times what a case of one subject takes.
fn config() -> Config {
    let usual = Config::default();
    Config { cases: usual.cases.div_ceil(4), ..usual }
}

proptest! {
    #![proptest_config(config())]
    #[test]
    fn silent_subjects_are_released_and_stale_views_carried_whatever_stops(script in a_script()) {
        run(&script).map_err(TestCaseError::fail)?;
    }
}
