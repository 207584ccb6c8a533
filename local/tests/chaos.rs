//! The short form of the test that kills the host: many clients of two tenants, a host that is
//! killed while they send, and every history and view compared with what they were told.
//! `drover-bench chaos` runs it as long as one likes.

#![recursion_limit = "256"]

use std::path::PathBuf;

use drover_tests::chaos::{self, Plan};

#[tokio::test]
async fn what_was_accepted_is_the_history_whatever_happened_to_the_host() {
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
