//! Standard metrics of the process (`process_*`), and the build of the host.
//!
//! The metrics of the process are read from `/proc` at each scrape. Only Linux has `/proc`; on other systems,
//! a host has no `process_*` metrics.

use std::env::consts::{ARCH, OS};

use prometheus::{Error, IntGauge, Opts, Registry};

/// Adds these metrics to a registry.
pub(super) fn register(registry: &Registry) -> Result<(), Error> {
    let help = "The build of the host that runs: always 1, its labels are the information";
    let build = Opts::new("drover_build_info", help)
        .const_label("version", env!("CARGO_PKG_VERSION"))
        .const_label("os", OS)
        .const_label("arch", ARCH);
    let build = IntGauge::with_opts(build)?;
    build.set(1);
    registry.register(Box::new(build))?;
    #[cfg(target_os = "linux")]
    registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
    Ok(())
}
