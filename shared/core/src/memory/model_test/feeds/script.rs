//! What happens in a case of the feeds, beside the actions of a script of the model test.

use proptest::prelude::*;

use crate::ledger::touch::Touch;
use crate::memory::model_test::script::{Action, Spec};
use crate::memory::model_test::strategy::{a_run_of_specs, a_spec, an_action};

/// Records, a schedule, and what the tenants decided.
#[derive(Clone, Debug)]
pub(super) struct FedScript {
    pub(super) specs: Vec<Spec>,
    pub(super) steps: Vec<Step>,
    pub(super) lateness_seconds: u32,
    pub(super) feeds: &'static str,
}

/// A step of a schedule.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// One of the ledger's. Readers do nothing here: their turns are the relay's.
    Ledger(Action),
    /// The relay takes a batch of at most so many records of the stream.
    Relay(usize),
    /// The relay dies, and another one starts this many records before where the last one got to.
    Takeover(usize),
    /// So many records of the stream are given up: they never come again, until somebody asks for it.
    GiveUp(usize),
    /// A sweep or an operator touches a subject.
    Touch { tenant: bool, subject: bool, touch: Touch },
    /// An operator forgets a subject.
    Forget { tenant: bool, subject: bool },
    /// Days pass, and DynamoDB deletes some of the pages that have expired.
    Days(u8),
}

/// What both tenants have.
const FEEDS: [&str; 3] =
    [r#"["ordered","settled","views","alerts"]"#, r#"["settled","views"]"#, r#"["ordered"]"#];

fn a_step() -> impl Strategy<Value = Step> {
    let which = || (any::<bool>(), any::<bool>());
    prop_oneof![
        40 => an_action().prop_map(Step::Ledger),
        6 => (1usize..12).prop_map(Step::Relay),
        1 => (0usize..20).prop_map(Step::Takeover),
        1 => proptest::option::weighted(0.1, 1usize..9).prop_map(|records| match records {
            Some(records) => Step::GiveUp(records),
            None => Step::Relay(3),
        }),
        1 => (which(), proptest::sample::select(&Touch::ALL[..])).prop_map(
            |((tenant, subject), touch)| Step::Touch { tenant, subject, touch }
        ),
        1 => proptest::option::weighted(0.2, which()).prop_map(|which| match which {
            Some((tenant, subject)) => Step::Forget { tenant, subject },
            None => Step::Relay(3),
        }),
        1 => proptest::option::weighted(0.3, 1u8..40).prop_map(|days| match days {
            Some(days) => Step::Days(days),
            None => Step::Relay(3),
        }),
    ]
}

pub(super) fn a_fed_script() -> impl Strategy<Value = FedScript> {
    let specs = proptest::collection::vec(a_spec(), 10..80);
    let runs = proptest::collection::vec(a_run_of_specs(), 0..3);
    let steps = proptest::collection::vec(a_step(), 50..300);
    let lateness = prop_oneof![Just(60u32), Just(86_400), Just(400_000)];
    (specs, runs, steps, lateness, proptest::sample::select(&FEEDS[..])).prop_map(
        |(mut specs, runs, steps, lateness_seconds, feeds)| {
            specs.extend(runs.into_iter().flatten());
            FedScript { specs, steps, lateness_seconds, feeds }
        },
    )
}
