//! The model test: several warm environments run the pipeline over one store. What is polled next,
//! what fails and what dies is drawn at random. After every step the stored state is checked against
//! the promises of the design, and every reader's answer against a naive reference of its version: a
//! sorted list and a fold. In the end everything is delivered, and months pass.
//!
//! - [`script`]: what a case is made of; `strategy` draws it
//! - [`harness`]: runs a case; `reader` has the tasks that read
//! - [`check`]: states the promises; `observed` is what they are checked against
//! - [`aging`]: lets months pass afterwards, with letters that are replayed far behind
//! - [`seeded`]: runs cases by their seeds, for long runs outside the tests
//!
//! `PROPTEST_CASES` sets the number of cases; a failing case prints its input, and its seed is kept
//! and run first the next time.

#[cfg(test)]
use {
    crate::base::mutant::{Mutant, with},
    harness::run,
    proptest::prelude::*,
    proptest::test_runner::{Config, TestCaseError, TestRng, TestRunner},
    script::Script,
    strategy::a_script,
};

mod aging;
mod check;
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

/// Whether one of many scripts breaks a promise.
#[cfg(test)]
fn is_caught(mutant: Mutant) -> bool {
    const SCRIPTS: u32 = 600;
    let mut runner = TestRunner::new_with_rng(
        Config {
            cases: SCRIPTS,
            max_shrink_iters: 0,
            failure_persistence: None,
            ..Config::default()
        },
        TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let check = |script: Script| run(&script).map(|_| ()).map_err(TestCaseError::fail);
    with(mutant, || runner.run(&a_script(), check)).is_err()
}

#[cfg(test)]
fn check_caught(mutant: Mutant) {
    assert!(is_caught(mutant), "the model test would not notice {mutant:?}");
}

#[test]
fn a_write_without_its_version_condition_is_caught() {
    check_caught(Mutant::NoVersionCondition);
}

#[test]
fn a_page_put_over_another_is_caught() {
    check_caught(Mutant::BlindPagePut);
}

#[test]
fn a_correction_of_pages_as_they_were_is_caught() {
    check_caught(Mutant::BlindCorrection);
}

#[test]
fn a_missing_duplicate_check_is_caught() {
    check_caught(Mutant::NoDedup);
}

#[test]
fn ties_in_order_of_arrival_are_caught() {
    check_caught(Mutant::ArrivalOrderTies);
}

#[test]
fn a_watermark_before_the_clock_guard_is_caught() {
    check_caught(Mutant::WatermarkBeforeGuard);
}

#[test]
fn an_acknowledgement_before_the_dead_letter_is_caught() {
    check_caught(Mutant::AckBeforeDeadLetter);
}

#[test]
fn forgetting_the_rest_of_a_subject_is_caught() {
    check_caught(Mutant::DropRestOfSubject);
}

#[test]
fn trust_in_views_that_are_out_of_date_is_caught() {
    check_caught(Mutant::TrustsStaleBase);
}

#[test]
fn moving_what_is_out_of_date_forward_is_caught() {
    check_caught(Mutant::StaleMovesForward);
}

#[test]
fn keyframes_by_bytes_alone_are_caught() {
    check_caught(Mutant::KeyframesByBytesOnly);
}

#[test]
fn upper_halves_without_a_keyframe_are_caught() {
    check_caught(Mutant::UpperHalvesWithoutKeyframe);
}

#[test]
fn a_fold_that_is_not_counted_is_caught() {
    check_caught(Mutant::FoldIgnoresCount);
}

#[test]
fn a_carry_without_its_condition_is_caught() {
    check_caught(Mutant::CarryWithoutCondition);
}

#[test]
fn a_note_that_is_left_out_is_caught() {
    check_caught(Mutant::NoteLeftOut);
}

#[test]
fn an_acknowledgement_before_the_page_is_caught() {
    check_caught(Mutant::AckBeforePage);
}

#[test]
fn a_hole_that_is_believed_at_once_is_caught() {
    check_caught(Mutant::HoleBelievedAtOnce);
}

#[test]
fn a_reader_of_newer_pages_is_caught() {
    check_caught(Mutant::ReaderIgnoresPageVersion);
}
