//! The property test of the relay: random schedules of commits, deliveries, sweeps and commands, with a
//! played clock. Lambda cuts batches, delivers records again and gives batches up; environments die between
//! any two records and are replaced; topics and tables fail, or take what they do not acknowledge. In the end
//! everything works, an operator asks for what Lambda gave up, letters are replayed, and time passes. Then
//! consumers of each feed hold exactly the history, and alerts equal its episodes.
//!
//! - `world`: the tables, the topics, the stream and the relay of a case; `target` is what the topics do
//! - `acts`: what people do about alerts, and that nothing of it is lost
//! - `alerts`: what alerts must be in the end
//! - `consumers`: what consumers make of the records, and what they must hold
//!
//! `PROPTEST_CASES` sets the number of cases and `PROPTEST_RNG_SEED` their seed; a failing case prints its
//! input, and its seed is kept and run first the next time.

mod acts;
mod alerts;
mod consumers;
mod target;
mod world;

use drover_core::memory::Fault;
use drover_core::outputs::alerts::acts::Act;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use self::target::Taking;
use self::world::World;
use super::fixture::second;

/// What happens next.
#[derive(Clone, Debug)]
enum Step {
    /// A batch of events of one device is committed: the seconds at which they were observed.
    Commit { device: usize, times: Vec<u16> },
    /// Lambda delivers so many records of the stream, from where it is.
    Deliver(usize),
    /// Lambda delivers so many records again that it has delivered before.
    Back(usize),
    /// Lambda gives so many records up.
    GiveUp(usize),
    /// Another environment takes over.
    Replace,
    /// So many seconds pass.
    Wait(u16),
    /// The schedule runs a sweep.
    Sweep,
    /// An operator has a device sent again, or all of them.
    Resend(Option<usize>),
    /// An operator applies other alert rules.
    Rules,
    /// A person acts on one of the alerts.
    Act(usize, Act),
    /// What the topics do with the next records.
    Topics(Vec<Taking>),
    /// What the next calls to tables and queues do.
    Tables(Vec<Fault>),
}

fn an_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        1 => Just(Act::Acknowledge),
        1 => (1_000i64..3_000).prop_map(|at| Act::Snooze(second(at))),
        1 => Just(Act::Disable),
        1 => Just(Act::Enable),
        2 => Just(Act::Close),
    ]
}

fn a_step() -> impl Strategy<Value = Step> {
    let device = || 0..world::DEVICES.len();
    // A device's own times: most events come in order, some late, some twice.
    let times = proptest::collection::vec(0u16..400, 1..6);
    let takings = proptest::sample::select(&Taking::ALL[..]);
    let faults = [Fault::None, Fault::Refused, Fault::HotKey, Fault::LostBefore, Fault::LostAfter];
    let faults = proptest::sample::select(faults.to_vec());
    prop_oneof![
        10 => (device(), times).prop_map(|(device, times)| Step::Commit { device, times }),
        10 => (1usize..8).prop_map(Step::Deliver),
        1 => (1usize..10).prop_map(Step::Back),
        1 => proptest::option::weighted(0.2, 1usize..4)
            .prop_map(|records| records.map_or(Step::Deliver(2), Step::GiveUp)),
        1 => Just(Step::Replace),
        3 => (1u16..400).prop_map(Step::Wait),
        // The relay and the sweep may be off for an hour.
        1 => Just(Step::Wait(3_700)),
        3 => Just(Step::Sweep),
        1 => proptest::option::of(device()).prop_map(Step::Resend),
        1 => Just(Step::Rules),
        3 => (0usize..100, an_act()).prop_map(|(alert, act)| Step::Act(alert, act)),
        3 => proptest::collection::vec(takings, 1..6).prop_map(Step::Topics),
        2 => proptest::collection::vec(faults, 1..6).prop_map(Step::Tables),
    ]
}

proptest! {
    #[test]
    fn consumers_hold_the_history_whatever_happened(
        steps in proptest::collection::vec(a_step(), 10..80)
    ) {
        let mut world = World::new();
        for step in steps {
            world.play(step);
        }
        world.end().map_err(TestCaseError::fail)?;
        world.check().map_err(TestCaseError::fail)?;
        world.check_alerts().map_err(TestCaseError::fail)?;
        world.check_acts().map_err(TestCaseError::fail)?;
    }
}

/// More keyframes than one transaction takes: views are brought up to date in parts, and alerts behind each part.
#[test]
fn alerts_are_right_behind_a_carry_that_takes_several_transactions() {
    let mut world = World::new();
    // Silences of 130 seconds, which the rule about silence finds.
    for _ in 0..80 {
        world.play(Step::Commit { device: 0, times: vec![4, 3, 2, 1, 0] });
        world.play(Step::Wait(130));
        world.play(Step::Deliver(8));
    }
    // A late event in each of the earliest silences.
    let late = (70..80).map(|silence: u16| silence * 130 + 60).collect();
    world.play(Step::Commit { device: 0, times: late });
    world.end().expect("everything is delivered");
    world.check().expect("consumers hold the history");
    world.check_alerts().expect("alerts are the episodes");
    assert!(world.carries() > 1, "{} transactions", world.carries());
}
