//! The property test of notifications: an alert changes, people act on it, messages come late, twice and in any order,
//! tables and queues fail before or after they did what was asked, and targets fail although a try arrived. In the end
//! everything works, and time passes. Then what each target was told, folded by id, equals the alert.
//!
//! `PROPTEST_CASES` sets the number of cases and `PROPTEST_RNG_SEED` their seed.

use drover_core::memory::Fault;
use drover_core::outputs::alerts::acts::Act;
use drover_core::outputs::alerts::{Alert, AlertState, News};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::world::{Answer, OPS, Try, World};

/// What happens next.
#[derive(Clone, Debug)]
enum Step {
    Open,
    Resolve,
    Continue,
    Raise,
    Shift,
    Retract,
    Act(Act),
    /// Have the targets look so often, as the relay does after a commit that comes again.
    Look(usize),
    /// Deliver the message at this place of those that are visible, while these faults wait for the next calls.
    Deliver(usize, Vec<Fault>),
    /// What a target does with its next tries.
    Answers(bool, Vec<Answer>),
    Wait(u16),
}

fn a_fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        6 => Just(Fault::None),
        1 => Just(Fault::Refused),
        1 => Just(Fault::LostBefore),
        1 => Just(Fault::LostAfter),
    ]
}

fn an_answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        3 => Just(Answer::Taken),
        1 => Just(Answer::Failed),
        1 => Just(Answer::Lost),
        1 => (0_i64..400).prop_map(Answer::Wait),
    ]
}

fn a_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Open),
        2 => Just(Step::Resolve),
        1 => Just(Step::Continue),
        1 => Just(Step::Raise),
        1 => Just(Step::Shift),
        2 => Just(Step::Retract),
        1 => Just(Step::Act(Act::Acknowledge)),
        1 => Just(Step::Act(Act::Disable)),
        1 => Just(Step::Act(Act::Enable)),
        4 => (1_usize..3).prop_map(Step::Look),
        12 => (0_usize..8, prop::collection::vec(a_fault(), 0..8)).prop_map(|(at, faults)| Step::Deliver(at, faults)),
        2 => (any::<bool>(), prop::collection::vec(an_answer(), 1..4)).prop_map(|(which, answers)| Step::Answers(which, answers)),
        3 => (1_u16..400).prop_map(Step::Wait),
    ]
}

fn play(world: &mut World, step: Step) {
    match step {
        Step::Open => world.reopen(),
        Step::Resolve => world.resolve(),
        Step::Continue => world.continue_episode(),
        Step::Raise => world.raise(),
        Step::Shift => world.shift(),
        Step::Retract => world.retract(),
        Step::Act(act) => world.act(act),
        Step::Look(times) => (0..times).for_each(|_| world.look()),
        Step::Deliver(at, faults) => {
            let mut faults = faults.into_iter();
            world.memory.fail(move |_| faults.next().unwrap_or(Fault::None));
            world.deliver(at);
            world.memory.fail_nothing();
        }
        Step::Answers(which, answers) => world.answers(if which { OPS } else { "am" }, &answers),
        Step::Wait(seconds) => world.pass(seconds.into()),
    }
}

/// What a target believes that folds what arrived by id, the first arrival of each.
fn folded(tries: &[Try]) -> Vec<&Try> {
    let mut seen: Vec<&Try> = Vec::new();
    for a_try in tries.iter().filter(|a_try| a_try.arrived) {
        if seen.iter().all(|known| known.id != a_try.id) {
            seen.push(a_try);
        }
    }
    seen
}

fn check(alert: &Alert, tries: &[Try], target: &str) -> Result<(), TestCaseError> {
    let told = folded(tries);
    let believes_open = told.last().is_some_and(|last| !last.news.is_end());
    let is_paused = alert.acts.disabled.is_some();
    match alert.state() {
        AlertState::Firing if is_paused => {}
        AlertState::Firing => {
            prop_assert!(believes_open, "{target} was not told: {told:?} {:?}", alert.latest);
            let severity = alert.episode.severity.as_str();
            let last = tries.iter().rfind(|a_try| a_try.arrived).map(|last| &*last.severity);
            let is_raised =
                told.iter().any(|one| one.severity == severity) || last == Some(severity);
            let knows_act = told.iter().any(|one| one.news == News::Acknowledged);
            prop_assert!(
                knows_act || alert.acts.acknowledged.is_none(),
                "{target} does not know the acknowledgement"
            );
            prop_assert!(is_raised || severity == "warning", "{target} does not know the severity");
        }
        AlertState::Resolved | AlertState::Retracted => {
            prop_assert!(!believes_open, "{target} believes that it fires: {told:?}");
        }
    }
    // Nobody is told twice of one opening: openings and ends take turns.
    let mut is_open = false;
    for one in &told {
        match one.news {
            News::Opened => {
                // A try that arrived although it seemed to fail was followed by newer news.
                is_open = true;
            }
            News::Resolved | News::Retracted | News::Digest => is_open = false,
            News::Moved | News::Raised | News::Acknowledged => {
                prop_assert!(
                    is_open,
                    "{target} was told of {:?} before it knew the alert",
                    one.news
                );
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn what_targets_are_told_equals_the_alert(
        steps in prop::collection::vec(a_step(), 1..40),
    ) {
        let mut world = World::new();
        for step in steps {
            play(&mut world, step);
        }
        // Everything works again; the relay has said at least once that something changed.
        for target in [OPS, "am"] {
            world.answers(target, &[]);
        }
        world.look();
        world.run();
        for alert in world.alerts() {
            for target in [OPS, "am"] {
                let mut tries = world.all(target);
                tries.retain(|a_try| a_try.alert == alert.id.as_str());
                check(&alert, &tries, target)?;
            }
        }
        prop_assert!(world.letters().is_empty());
    }
}
