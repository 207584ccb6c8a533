//! The chaos test for any duration: clients of two tenants send events shuffled, duplicated, late,
//! compressed and partly invalid, while the host is killed repeatedly; afterwards every history and
//! view, and what feeds and alerts say of them, is compared with the responses. The test suite runs a short form.
//!
//! `cargo build --release -p drover-local -p drover-bench && target/release/drover-bench chaos
//! 200000`

use anyhow::{Context, anyhow};
use drover_tests::chaos::{self, Plan};

use crate::print;

/// The default number of events of both tenants together.
const EVENTS: usize = 100_000;
const TENANTS: usize = 2;
const DEVICES: usize = 200;
const CLIENTS: usize = 4;
/// The number of events per kill of the host.
const EVENTS_PER_KILL: usize = 10_000;

pub(crate) fn run(events: Option<String>) -> anyhow::Result<()> {
    let events = match events {
        Some(text) => {
            text.parse().with_context(|| format!("invalid number of events: `{text}`"))?
        }
        None => EVENTS,
    };
    let data = tempfile::tempdir().context("a folder for the host")?;
    let plan = Plan {
        program: crate::http::program()?,
        data: data.path().to_owned(),
        seed: fastrand::u64(..),
        devices: DEVICES,
        events: (events / TENANTS / DEVICES).max(1),
        clients: CLIENTS,
        kills: (events / EVENTS_PER_KILL).max(1),
    };
    print(&format!("seed {}", plan.seed));
    let runtime = tokio::runtime::Runtime::new().context("a runtime")?;
    let found = runtime.block_on(chaos::run(&plan)).map_err(|fault| anyhow!(fault))?;
    print(&format!(
        "{} events accepted, {} rejected; the host was killed {} times, {} requests were repeated; \
         every history, view, feed and alert is exact",
        found.accepted, found.rejected, plan.kills, found.again
    ));
    Ok(())
}
