//! What feeds and alerts cost, and how long feeds take.
//!
//! - `units`: read and write units per event with and without feeds, over the memory store with a played clock
//! - `alerts`: units per event with alert rules, and units per alert
//! - `cpu`: CPU time of the relay per event, beside that of the processor in the same run
//! - `latency`: the time from a commit to its record in a feed, on a host in this process

use anyhow::bail;

mod alerts;
mod change_stream;
mod cpu;
mod latency;
mod units;

pub(crate) fn run(which: Option<String>) -> anyhow::Result<()> {
    match which.as_deref() {
        None => {
            units::run()?;
            alerts::run()?;
            cpu::run()?;
            latency::run()
        }
        Some("units") => units::run(),
        Some("alerts") => alerts::run(),
        Some("cpu") => cpu::run(),
        Some("latency") => latency::run(),
        Some(other) => bail!("unknown: `{other}`; expected units, alerts, cpu or latency"),
    }
}
