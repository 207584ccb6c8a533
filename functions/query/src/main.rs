//! Wiring only: configuration from the environment, clients, one warm [`Query`].

// The SDK's futures nest deeper than the default of 128.
#![recursion_limit = "256"]

use std::io::Write;
use std::sync::Arc;

use anyhow::Context;
use drover_aws::Aws;
use drover_core::base::metrics::emf::Lines;
use drover_core::intake::quota::ReadQuotas;
use drover_core::ports::Clock as _;
use drover_core::registry::Registry;
use drover_http::finished;
use drover_http::gateway::{run, with_gateway_claims};
use drover_http::settings::HttpSettings;
use drover_intake::Gate;
use drover_query::cloudwatch::CloudWatch;
use drover_query::config::Config;
use drover_query::counts::CloudWatchCounts;
use drover_query::health::{Process, memory_bytes};
use drover_query::{Access, Query, routes};
use lambda_http::tracing;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

// One thread: an environment runs one invocation at a time on at most one vCPU. With more threads,
// each service call would wake a second thread and then the first again.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    tracing::init_default_subscriber();
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    let config = Config::read(|name| std::env::var(name).ok()).context("configuration")?;
    let ports = Aws::load(config.aws).await;
    let HttpSettings { auth_mode, origins } = config.http;
    let query = Query {
        probes: ports.clone(),
        counts: CloudWatchCounts::new(CloudWatch::load(config.metrics.clone()).await),
        process: Process { started_at: ports.now(), memory_bytes },
        access: Access {
            ports,
            registry: Registry::new(),
            gate: Gate { mode: auth_mode.clone() },
            quotas: ReadQuotas::default(),
            meter: Arc::new(Lines { keeping: config.metrics, write: print }),
        },
    };
    let routes = with_gateway_claims(routes(query), &auth_mode);
    let router = finished(routes, origins);
    run(router).await.map_err(|error| anyhow::anyhow!(error)).context("Lambda runtime")
}

/// Writes directly to standard output: a log formatter would wrap the line, and CloudWatch would
/// not extract metrics from it. A write error loses only metrics.
fn print(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
