//! The model test: several warm environments run the pipeline over one store. What is polled next,
//! what fails and what dies is drawn at random. After every step the stored state is checked against
//! the promises of the design, and every reader's answer against a naive reference of its version: a
//! sorted list and a fold. In the end everything is delivered, and months pass.
//!
//! - `script`: what a case is made of; `strategy` draws it
//! - `harness`: runs a case; `reader` has the tasks that read
//! - `check`: states the promises; `observed` is what they are checked against
//! - `aging`: lets months pass afterwards, with letters that are replayed far behind
//! - `seeded`: runs cases by their seeds, for long runs outside the tests
//! - `feeds`: what a relay sends that follows the heads of such scripts
//!
//! `PROPTEST_CASES` sets the number of cases; a failing case prints its input, and its seed is kept
//! and run first the next time.

#[cfg(test)]
use {
    harness::run,
    proptest::prelude::*,
    proptest::test_runner::{Config, TestCaseError, TestRng, TestRunner},
    strategy::a_script,
};

mod aging;
mod check;
#[cfg(test)]
mod feeds;
mod harness;
mod observed;
mod reader;
mod script;
mod seeded;
mod strategy;

pub use observed::Tally;
pub use seeded::{Violation, run_seed};

#[cfg(test)]
proptest! {
    #[test]
    fn every_schedule_keeps_the_promises(script in a_script()) {
        run(&script).map_err(TestCaseError::fail)?;
    }
}

#[test]
fn one_schedule_gives_the_same_bytes_whatever_the_wall_clock() {
    let mut runner = TestRunner::new_with_rng(
        Config { cases: 20, failure_persistence: None, ..Config::default() },
        TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let outcome = runner.run(&a_script(), |script| {
        let early = harness::run_at(&script, 0).map_err(TestCaseError::fail)?;
        let late = harness::run_at(&script, 30).map_err(TestCaseError::fail)?;
        prop_assert_eq!(early.bytes, late.bytes);
        Ok(())
    });
    outcome.expect("promise 9");
}
