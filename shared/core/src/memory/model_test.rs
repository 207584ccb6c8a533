//! The model test: several warm environments run the pipeline over one store, and whoever is polled
//! next, what fails and who dies is drawn at random. After every step the stored state is held
//! against the promises of the design; in the end everything is delivered and the histories are
//! compared with a naive reference, a sorted map and a fold.
//!
//! [`script`] is what a case is made of, [`harness`] runs it, [`check`] states the promises, [`aging`] lets months pass afterwards. `PROPTEST_CASES` sets the number of cases;
//! a failing case prints its input, and its seed is kept and run first the next time.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRng, TestRunner};

use crate::base::error::Reason;

mod aging;
mod check;
mod harness;
mod script;

use harness::run;
use script::{Action, Broken, Id, Script, Sort, Spec, Walk};

fn a_spec() -> impl Strategy<Value = Spec> {
    let sort = prop_oneof![
        20 => Just(Sort::Good),
        1 => Just(Sort::OtherContent),
        1 => Just(Sort::Poison),
        1 => Just(Sort::FutureClock),
    ];
    let slot = prop_oneof![3 => 0u16..400, 1 => 0u16..20];
    let id = prop_oneof![4 => (0u8..2).prop_map(Id::Given), 1 => Just(Id::None)];
    (any::<bool>(), any::<bool>(), slot, id, sort)
        .prop_map(|(tenant, subject, slot, id, sort)| Spec { tenant, subject, slot, id, sort })
}

/// Good records of one subject, slot by slot.
fn a_run_of_specs() -> impl Strategy<Value = Vec<Spec>> {
    (any::<bool>(), any::<bool>(), 0u16..350, 10u16..50).prop_map(
        |(tenant, subject, from, slots)| {
            let spec = |slot| Spec { tenant, subject, slot, id: Id::Given(0), sort: Sort::Good };
            (from..from + slots).map(spec).collect()
        },
    )
}

fn a_walk() -> impl Strategy<Value = Walk> {
    let slot = || proptest::option::weighted(0.3, 0u16..420);
    let bytes = prop_oneof![1 => 1usize..400, 1 => Just(usize::MAX)];
    (slot(), slot(), any::<bool>(), any::<bool>(), 1usize..40, bytes).prop_map(
        |(from, to, backward, only_even, entries, bytes)| Walk {
            from,
            to,
            backward,
            only_even,
            entries,
            bytes,
        },
    )
}

fn an_action() -> impl Strategy<Value = Action> {
    let picks = proptest::collection::vec(any::<prop::sample::Index>(), 1..12);
    prop_oneof![
        10 => (0usize..4, picks).prop_map(|(env, picks)| Action::Start { env, picks }),
        3 => (0usize..4, any::<bool>(), any::<bool>(), 0u16..400, 20u16..200).prop_map(
            |(env, tenant, subject, from, slots)| {
                Action::StartRun { env, tenant, subject, from, to: from.saturating_add(slots) }
            }
        ),
        40 => (0usize..6).prop_map(Action::Poll),
        4 => (0usize..6, 2usize..12).prop_map(|(task, times)| Action::PollOften { task, times }),
        1 => (0usize..4, any::<bool>()).prop_map(|(env, cold)| Action::Crash { env, cold }),
        3 => (0u8..8).prop_map(Action::Fault),
        1 => Just(Action::QueueDown),
        2 => a_broken_tenant().prop_map(Action::BreakTenant),
        1 => any::<bool>().prop_map(Action::Mend),
        6 => (any::<bool>(), any::<bool>(), 0u16..400)
            .prop_map(|(tenant, subject, slot)| Action::Read { tenant, subject, slot }),
        6 => (any::<bool>(), any::<bool>(), a_walk())
            .prop_map(|(tenant, subject, walk)| Action::Walk { tenant, subject, walk }),
    ]
}

fn a_broken_tenant() -> impl Strategy<Value = Broken> {
    prop_oneof![
        2 => Just(Broken::Nothing),
        1 => Just(Broken::Document),
        1 => Just(Broken::Table(Reason::Misconfigured)),
        1 => Just(Broken::Table(Reason::Throttled)),
        1 => Just(Broken::Table(Reason::Unreachable)),
    ]
}

fn a_script() -> impl Strategy<Value = Script> {
    let specs = proptest::collection::vec(a_spec(), 20..120);
    let runs = proptest::collection::vec(a_run_of_specs(), 0..3);
    let actions = proptest::collection::vec(an_action(), 50..400);
    (specs, runs, actions).prop_map(|(mut specs, runs, actions)| {
        specs.extend(runs.into_iter().flatten());
        Script { specs, actions }
    })
}

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
        prop_assert_eq!(early, late);
        Ok(())
    });
    outcome.expect("promise 9");
}
