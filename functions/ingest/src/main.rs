//! Wiring only: configuration from the environment, clients, one warm [`Ingest`].

// The SDK's futures nest deeper than the default of 128.
#![recursion_limit = "256"]

use std::io::Write;
use std::sync::Arc;

use anyhow::Context;
use drover_core::aws::{Aws, AwsConfig};
use drover_core::limits::Shape;
use drover_core::metrics::Meter;
use drover_core::metrics::emf::Lines;
use drover_core::pipeline::Pipeline;
use drover_core::pipeline::cache::HeadCache;
use drover_core::registry::Registry;
use drover_core::stream::direct::Direct;
use drover_core::web::{AuthMode, Gate, finished};
use drover_ingest::config::{Config, StreamConfig};
use drover_ingest::quota::Quotas;
use drover_ingest::{FUNCTION, Ingest, routes, with_gateway_claims};
use lambda_http::{run, tracing};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing::init_default_subscriber();
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    let config = Config::read(|name| std::env::var(name).ok()).context("configuration")?;
    let StreamConfig::Direct { ledger_table, cache_bytes, concurrency } = config.stream;
    let world = Aws::load(AwsConfig {
        ledger_table: ledger_table.into(),
        registry_table: config.registry_table.into(),
        dead_letter_queue_url: config.dead_letter_queue_url.into(),
        buffer_queue_url: config.buffer_queue_url.into(),
        requests_table: Some(config.requests_table.into()),
    })
    .await;
    let meter: Arc<dyn Meter> = Arc::new(Lines(print));
    let pipeline = Pipeline {
        registry: Registry::new(),
        heads: HeadCache::new(cache_bytes),
        shape: Shape::STANDARD,
        concurrency,
    };
    let ingest = Ingest {
        stream: Direct {
            world: world.clone(),
            pipeline,
            meter: Arc::clone(&meter),
            function: FUNCTION,
        },
        world,
        registry: Registry::new(),
        gate: Gate { mode: config.auth_mode.clone() },
        quotas: Quotas::default(),
        meter,
    };
    let routes = match config.auth_mode {
        AuthMode::Key(_) => routes(ingest),
        AuthMode::Jwt { .. } => with_gateway_claims(routes(ingest)),
    };
    let router = finished(routes, config.origins);
    run(router).await.map_err(|error| anyhow::anyhow!(error)).context("Lambda runtime")
}

/// Straight to standard output: a log formatter would wrap the line, and CloudWatch would not read
/// metrics from it. A closed output costs the metrics and nothing else.
fn print(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
