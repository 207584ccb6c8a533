//! Starts ingest: reads the configuration, creates the clients, and serves one [`Intake`].

// The SDK's futures nest deeper than the default of 128.
#![recursion_limit = "256"]

use std::io::Write;
use std::sync::Arc;

use anyhow::Context;
use drover_aws::Aws;
use drover_aws::kafka::{KafkaEventLog, KafkaVariables};
use drover_core::base::error::Reason;
use drover_core::base::metrics::Meter;
use drover_core::base::metrics::emf::Lines;
use drover_core::intake::quota::WriteQuotas;
use drover_core::pipeline::direct::Direct;
use drover_core::ports::EventLog;
use drover_core::registry::Registry;
use drover_http::finished;
use drover_http::gateway::{run, with_gateway_claims};
use drover_http::settings::HttpSettings;
use drover_ingest::config::{Config, EventLogConfig};
use drover_ingest::{FUNCTION, WebhookOrigins, routes};
use drover_intake::log_breaker::LogBreaker;
use drover_intake::{Gate, Intake};
use lambda_http::tracing;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

// A function runs one invocation at a time, and the deployed functions have at most one vCPU. With several
// threads, each service call would wake a second thread and then the first thread again.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    tracing::init_default_subscriber();
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    let config = Config::read(|name| std::env::var(name).ok()).context("configuration")?;
    let ports = Aws::load(config.aws).await;
    let meter: Arc<dyn Meter> = Arc::new(Lines { keeping: config.metrics, write: print });
    match config.event_log {
        EventLogConfig::Direct(settings) => {
            let direct = Direct {
                ports: ports.clone(),
                pipeline: settings.pipeline(),
                meter: Arc::clone(&meter),
                function: FUNCTION,
            };
            serve(config.http, config.webhook_origins, ports, direct, meter).await
        }
        EventLogConfig::Kafka(variables) => {
            let event_log = kafka(variables).await?;
            serve(config.http, config.webhook_origins, ports, event_log, meter).await
        }
    }
}

/// Connects to Kafka.
///
/// # Errors
/// The configuration is invalid. An unreachable cluster is not an error: events go to the buffer queue until
/// the cluster is reachable.
async fn kafka(variables: KafkaVariables) -> anyhow::Result<KafkaEventLog> {
    let config = variables.config(|file| std::fs::read_to_string(file)).await;
    let event_log = KafkaEventLog::new(config.context("credentials for Kafka")?);
    match event_log.check().await {
        Err(error) if error.reason == Reason::Misconfigured => return Err(error.into()),
        Err(error) => tracing::warn!(%error, "event log unreachable, starting without it"),
        Ok(()) => {}
    }
    Ok(event_log)
}

async fn serve<S: EventLog + 'static>(
    HttpSettings { auth_mode, origins }: HttpSettings,
    webhook_origins: WebhookOrigins,
    ports: Aws,
    event_log: S,
    meter: Arc<dyn Meter>,
) -> anyhow::Result<()> {
    let intake = Intake {
        function: FUNCTION,
        event_log,
        ports,
        registry: Registry::new(),
        gate: Gate { mode: auth_mode.clone() },
        quotas: WriteQuotas::default(),
        log_breaker: LogBreaker::default(),
        meter,
    };
    let routes = with_gateway_claims(routes(Arc::new(intake), webhook_origins), &auth_mode);
    let router = finished(routes, origins);
    run(router).await.map_err(|error| anyhow::anyhow!(error)).context("Lambda runtime")
}

/// Writes metrics directly to standard output. A log formatter would wrap the line, and CloudWatch would not
/// find the metrics in it. If the output is closed, only the metrics are lost.
fn print(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
