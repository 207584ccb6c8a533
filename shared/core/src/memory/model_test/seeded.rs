//! Cases by their seeds, for runs that are longer than a test may be. Case and seed are the same
//! number: whoever has the number of a case that fails can run it again.

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use super::harness;
use super::observed::Tally;
use super::script::Script;
use super::strategy::a_script;

/// Tries to make a failing script smaller.
const SHRINKS: u32 = 20_000;

/// A promise that a case breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The promise, by its number in the design, and how it is broken.
    pub reason: String,
    /// The smallest script found that breaks it: records and schedule.
    pub script: String,
}

/// Runs the case of a seed.
///
/// # Errors
/// The promise that it breaks. Also a panic counts as such.
pub fn run_seed(seed: u64) -> Result<Tally, Violation> {
    run_case(seed, harness::run)
}

fn run_case(seed: u64, run: impl Fn(&Script) -> Result<Tally, String>) -> Result<Tally, Violation> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases: 1,
        max_shrink_iters: SHRINKS,
        failure_persistence: None,
        ..Config::default()
    };
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let tally = std::cell::Cell::new(Tally::default());
    let case = |script: Script| {
        tally.set(run(&script).map_err(TestCaseError::fail)?);
        Ok(())
    };
    match TestRunner::new_with_rng(config, random).run(&a_script(), case) {
        Ok(()) => Ok(tally.get()),
        Err(TestError::Fail(reason, script)) => {
            Err(Violation { reason: reason.to_string(), script: format!("{script:#?}") })
        }
        Err(TestError::Abort(reason)) => {
            Err(Violation { reason: reason.to_string(), script: String::new() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_gives_the_same_case() {
        let drawn = |seed| {
            let script = std::cell::RefCell::new(String::new());
            let keep = |case: &Script| {
                script.replace(format!("{case:?}"));
                Ok(Tally::default())
            };
            run_case(seed, keep).expect("nothing fails");
            script.into_inner()
        };
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
    }

    #[test]
    fn a_case_that_fails_is_made_smaller_and_fails_again_by_its_seed() {
        let many = |script: &Script| match script.specs.len() {
            0..30 => Ok(Tally::default()),
            _ => Err("too many".to_owned()),
        };
        let failing = (0..20).find(|seed| run_case(*seed, many).is_err()).expect("a large case");
        let violation = run_case(failing, many).expect_err("it fails again");
        assert_eq!(violation.reason, "too many");
        assert_eq!(violation.script.matches("Spec {").count(), 30);
        assert_eq!(run_case(failing, many), Err(violation));
    }

    #[test]
    fn a_seeded_case_runs_the_model_test() {
        let tally = run_seed(1).expect("every promise holds");
        assert!(tally.commits > 0, "{tally:?}");
    }
}
