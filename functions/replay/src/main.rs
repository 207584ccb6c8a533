//! Wiring only: configuration from the environment, clients, one warm [`Replay`].

// The SDK's futures nest deeper than the default of 128.
#![recursion_limit = "256"]

use std::io::Write;
use std::sync::Arc;

use anyhow::Context;
use drover_aws::Aws;
use drover_aws::kafka::KafkaRereadOnDemand;
use drover_core::base::limits::ItemLimits;
use drover_core::base::metrics::emf::Lines;
use drover_core::intake::quota::ReadQuotas;
use drover_core::pipeline::settings::PipelineSettings;
use drover_core::replay::RunLimits;
use drover_http::gateway::with_gateway_claims;
use drover_http::{Origins, finished};
use drover_intake::Gate;
use drover_replay::config::Config;
use drover_replay::sources::WithEventLog;
use drover_replay::{Environment, QueueNames, Replay, routes};
use lambda_runtime::{LambdaEvent, run, service_fn, tracing};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The sources of replay on Lambda.
type ReplaySources = WithEventLog<Aws, Option<KafkaRereadOnDemand>>;

// One thread: an environment runs one invocation at a time on at most one vCPU. With more threads,
// each service call would wake a second thread and then the first again.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    tracing::init_default_subscriber();
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    let config = Config::read(|name| std::env::var(name).ok()).context("configuration")?;
    let origins = config.http.origins.clone();
    let replay = Arc::new(replay(environment(config).await, origins));
    let handler = service_fn(move |event: LambdaEvent<_>| {
        let replay = Arc::clone(&replay);
        async move { replay.handle(event).await }
    });
    run(handler).await.map_err(|error| anyhow::anyhow!(error)).context("Lambda runtime")
}

async fn environment(config: Config) -> Environment<Aws, ReplaySources> {
    let event_log = config.kafka.map(KafkaRereadOnDemand);
    let queues =
        QueueNames::of_urls(&config.aws.dead_letter_queue_url, &config.aws.buffer_queue_url);
    let ports = Aws::load(config.aws).await;
    let PipelineSettings { cache_bytes, concurrency } = config.pipeline;
    Environment {
        sources: WithEventLog { aws: ports.clone(), event_log },
        ports,
        pipeline: config.pipeline.pipeline(),
        limits: RunLimits {
            item_limits: ItemLimits::STANDARD,
            concurrency,
            cache_bytes,
            retention: config.retention,
        },
        queues,
        gate: Gate { mode: config.http.auth_mode },
        quotas: ReadQuotas::default(),
        meter: Arc::new(Lines { keeping: config.metrics, write: print }),
    }
}

fn replay(
    environment: Environment<Aws, ReplaySources>,
    origins: Origins,
) -> Replay<Aws, ReplaySources> {
    let environment = Arc::new(environment);
    let routes = routes(Arc::clone(&environment));
    let routes = with_gateway_claims(routes, &environment.gate.mode);
    Replay::new(environment, finished(routes, origins))
}

/// Writes directly to standard output: a log formatter would wrap the line, and CloudWatch would
/// not extract metrics from it. A write error loses only metrics.
fn print(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
