//! Wiring only: configuration from the environment, clients, one warm [`Notify`].

// The SDK's futures nest deeper than the default of 128.
#![recursion_limit = "256"]

use std::io::Write;
use std::sync::Arc;

use anyhow::Context;
use drover_aws::{Aws, sdk_config};
use drover_core::base::metrics::emf::Lines;
use drover_notify::Notify;
use drover_notify::config::Config;
use drover_notify::sending::Targets;
use lambda_runtime::{LambdaEvent, run, service_fn, tracing};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

// One thread: an environment runs one invocation at a time on at most one vCPU. With more threads,
// each service call would wake a second thread and then the first again.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    tracing::init_default_subscriber();
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    let config = Config::read(|name| std::env::var(name).ok()).context("configuration")?;
    let sdk = sdk_config().await;
    let targets = Targets::new(Some(&sdk), config.private_hosts);
    let meter = Arc::new(Lines { keeping: config.metrics, write: print });
    let notify = Arc::new(Notify::new(Aws::new(&sdk, config.aws), targets, meter));
    let handler = service_fn(move |event: LambdaEvent<_>| {
        let notify = Arc::clone(&notify);
        async move { notify.handle(event).await }
    });
    run(handler).await.map_err(|error| anyhow::anyhow!(error)).context("Lambda runtime")
}

/// Writes directly to standard output: a log formatter would wrap the line, and CloudWatch would
/// not extract metrics from it. A write error loses only metrics.
fn print(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
