//! The model test on a real store: several warm environments with their own caches run the pipeline
//! over one ledger in DynamoDB. Their records are random, duplicated, shuffled and late; calls
//! fail, responses are lost, environments die during a call, and a reader reads concurrently. In
//! the end everything is delivered, and history and views are compared with a sorted map and its
//! sums.
//!
//! The model test of the core is larger: it controls each step of its in-memory store and checks the state
//! after each step. Here the store is DynamoDB, which decides the order of concurrent calls. [`event`]
//! makes the records, [`recorded_ports`] has the ports and their faults, [`run`] runs a case, and [`check`]
//! states the promises.
//!
//! `DROVER_TEST_SEED` runs the single case of that seed, which a failure reports.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "test helpers fail like tests")]
#![recursion_limit = "256"]

mod check;
mod event;
mod recorded_ports;
mod run;

use drover_tests::dynamodb::ports;
use drover_tests::service::variable;

use run::{Found, play};

/// The number of cases without a given seed.
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
        // A test that never reaches its purpose must fail.
        let seen = [all.crashes, all.sealed, all.corrections, all.stale, all.lost_conditions];
        assert!(seen.iter().all(|count| *count > 0), "too few interesting cases: {all:?}");
    }
}
