//! The short form of the chaos test: many clients of two tenants send events while the host is
//! killed repeatedly; then every history, every view and every feed is compared with the accepted events.
//! `drover-bench chaos` runs the test for any duration.

#![recursion_limit = "256"]

use std::path::PathBuf;

use drover_tests::chaos::{self, Plan};

#[tokio::test]
async fn accepted_events_are_the_history_whatever_happens_to_the_host() {
    let data = tempfile::tempdir().unwrap();
    let plan = Plan {
        program: PathBuf::from(env!("CARGO_BIN_EXE_drover")),
        data: data.path().to_owned(),
        seed: fastrand::u64(..),
        devices: 12,
        events: 60,
        clients: 3,
        kills: 3,
    };
    let found = chaos::run(&plan).await;
    let found = found.unwrap_or_else(|fault| panic!("seed {}: {fault}", plan.seed));
    assert!(found.accepted > plan.devices * plan.events, "most events of two tenants are good");
    assert!(found.rejected > 0);
}
