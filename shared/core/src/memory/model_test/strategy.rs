//! How records and schedules of a case are drawn.

use proptest::prelude::*;

use super::script::{
    Action, Broken, ENVIRONMENTS, Id, Kind, READERS, Script, Sort, Spec, TASKS, Walk,
};
use crate::base::error::Reason;

pub(super) fn a_spec() -> impl Strategy<Value = Spec> {
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
pub(super) fn a_run_of_specs() -> impl Strategy<Value = Vec<Spec>> {
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

pub(super) fn an_action() -> impl Strategy<Value = Action> {
    let picks = proptest::collection::vec(any::<prop::sample::Index>(), 1..12);
    prop_oneof![
        10 => (0..ENVIRONMENTS, picks).prop_map(|(env, picks)| Action::Start { env, picks }),
        3 => (0..ENVIRONMENTS, any::<bool>(), any::<bool>(), 0u16..400, 20u16..200).prop_map(
            |(env, tenant, subject, from, slots)| {
                Action::StartRun { env, tenant, subject, from, to: from.saturating_add(slots) }
            }
        ),
        2 => a_backlog(),
        60 => (0..TASKS).prop_map(Action::Poll),
        6 => (0..TASKS, 2usize..12).prop_map(|(task, times)| Action::PollOften { task, times }),
        1 => (0..ENVIRONMENTS, any::<bool>()).prop_map(|(env, cold)| Action::Crash { env, cold }),
        3 => (0u8..8).prop_map(Action::Fault),
        1 => Just(Action::QueueDown),
        2 => a_broken_tenant().prop_map(Action::BreakTenant),
        1 => any::<bool>().prop_map(Action::Mend),
        3 => (any::<bool>(), any::<bool>())
            .prop_map(|(tenant, subject)| Action::Carry { tenant, subject }),
        1 => Just(Action::CutCarry),
        2 => prop_oneof![4 => 1u16..60, 1 => 900u16..2_000].prop_map(Action::Later),
        10 => a_read(),
        6 => (any::<bool>(), any::<bool>(), a_walk())
            .prop_map(|(tenant, subject, walk)| Action::Walk { tenant, subject, walk }),
    ]
}

fn a_backlog() -> impl Strategy<Value = Action> {
    (0..ENVIRONMENTS, any::<bool>(), any::<bool>(), 0u16..300, 60u16..200, 1usize..4).prop_map(
        |(env, tenant, subject, from, slots, batch)| Action::Backlog {
            env,
            tenant,
            subject,
            from,
            to: from + slots,
            batch,
        },
    )
}

fn a_read() -> impl Strategy<Value = Action> {
    let kind = prop_oneof![
        Just(Kind::Live),
        Just(Kind::AsOf),
        Just(Kind::Whole),
        (1u16..200).prop_map(Kind::Range)
    ];
    (0..READERS, any::<bool>(), any::<bool>(), 0u16..400, kind).prop_map(
        |(reader, tenant, subject, slot, kind)| Action::Read {
            reader,
            tenant,
            subject,
            slot,
            kind,
        },
    )
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

pub(super) fn a_script() -> impl Strategy<Value = Script> {
    let specs = proptest::collection::vec(a_spec(), 20..120);
    let runs = proptest::collection::vec(a_run_of_specs(), 0..3);
    let actions = proptest::collection::vec(an_action(), 50..400);
    (specs, runs, actions).prop_map(|(mut specs, runs, actions)| {
        specs.extend(runs.into_iter().flatten());
        Script { specs, actions }
    })
}
