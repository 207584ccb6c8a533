//! The model test on a real store: several warm environments with caches of their own run the
//! pipeline over one ledger in DynamoDB. What they take is drawn at random, doubled, shuffled and late;
//! calls fail, answers are lost, environments die in the middle of a call, and a reader looks on. In
//! the end everything is delivered, and history and views are compared with a sorted map and its sums.
//!
//! It is smaller than the model test of the core, whose store goes in steps and is looked into after
//! each; here the store is the service, and whoever is first is first. [`event`] is what is delivered,
//! [`recorded_ports`] the ports with their faults, [`run`] plays a case, [`check`] states the promises.
//!
//! `DROVER_TEST_SEED` plays the one case of that seed, which a failure names.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]
#![recursion_limit = "256"]

mod check;
mod event;
mod recorded_ports;
mod run;

use drover_tests::dynamodb::ports;
use drover_tests::service::variable;

use run::{Found, play};

/// Cases without a seed of one's own.
const CASES: usize = 3;

#[tokio::test]
async fn every_schedule_on_a_real_store_keeps_the_promises() {
    let given = variable("DROVER_TEST_SEED").map(|seed| seed.parse().expect("a number"));
    let seeds =
        given.map_or_else(|| (0..CASES).map(|_| fastrand::u64(..)).collect(), |one| vec![one]);
    let aws = ports().await.expect("a DynamoDB");
    run::documents(&aws).await;
    let mut all = Found::default();
    for seed in &seeds {
        match play(&aws, *seed).await {
            Ok(found) => all += found,
            Err(fault) => panic!("DROVER_TEST_SEED={seed}: {fault}"),
        }
    }
    if seeds.len() == CASES {
        // A test that never comes to what it is for would pass as well.
        let seen = [all.crashes, all.sealed, all.corrections, all.stale, all.lost_conditions];
        assert!(seen.iter().all(|count| *count > 0), "too tame: {all:?}");
    }
}
