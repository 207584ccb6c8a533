//! Wiring only: configuration from the environment, one warm [`Relay`].

// The SDK's futures nest deeper than the default of 128.
#![recursion_limit = "256"]

use std::io::Write;
use std::sync::Arc;

use anyhow::Context;
use drover_aws::kafka::KafkaFeeds;
use drover_aws::{Aws, EventBridgeFeeds, SnsFeeds, SqsFeeds, sdk_config};
use drover_core::base::error::{Reason, Unavailable};
use drover_core::base::limits::ItemLimits;
use drover_core::base::metrics::emf::Lines;
use drover_core::base::time::Timestamp;
use drover_core::outputs::record::FeedRecord;
use drover_core::ports::{FeedTarget, NotPublished};
use drover_relay::config::{Config, Target};
use drover_relay::{Relay, Settings};
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
    let relay = Arc::new(relay(config).await?);
    let handler = service_fn(move |event: LambdaEvent<_>| {
        let relay = Arc::clone(&relay);
        async move { relay.handle(event).await }
    });
    run(handler).await.map_err(|error| anyhow::anyhow!(error)).context("Lambda runtime")
}

/// Where feeds are sent.
enum Feeds {
    Nowhere,
    Kafka(KafkaFeeds),
    Queue(SqsFeeds),
    Topic(SnsFeeds),
    Bus(EventBridgeFeeds),
}

impl FeedTarget for Feeds {
    async fn publish(
        &self,
        topic: &str,
        records: &[FeedRecord],
        deadline: Timestamp,
    ) -> Vec<Result<(), NotPublished>> {
        match self {
            Self::Nowhere => records.iter().map(|_| Err(no_target())).collect(),
            Self::Kafka(kafka) => kafka.publish(topic, records, deadline).await,
            Self::Queue(queue) => queue.publish(topic, records, deadline).await,
            Self::Topic(sns) => sns.publish(topic, records, deadline).await,
            Self::Bus(bus) => bus.publish(topic, records, deadline).await,
        }
    }
}

/// A tenant has feeds, and the deployment has none.
fn no_target() -> NotPublished {
    let message = "this deployment sends no feeds: DROVER_FEEDS is off";
    NotPublished::Closed(Unavailable::new(Reason::Misconfigured, message))
}

async fn relay(config: Config) -> anyhow::Result<Relay<Aws, Feeds>> {
    let target = match config.target {
        Target::Nowhere => Feeds::Nowhere,
        Target::Queue { url } => Feeds::Queue(SqsFeeds::new(&sdk_config().await, &url)),
        Target::Topic { arn } => Feeds::Topic(SnsFeeds::new(&sdk_config().await, &arn)),
        Target::Bus { bus } => Feeds::Bus(EventBridgeFeeds::new(&sdk_config().await, &bus)),
        Target::Kafka(variables) => {
            let kafka = variables.config(|file| std::fs::read_to_string(file)).await;
            Feeds::Kafka(KafkaFeeds::new(kafka.context("credentials for Kafka")?.cluster))
        }
    };
    let settings = Settings {
        ledger_table: Arc::clone(&config.aws.ledger_table),
        concurrency: config.pipeline.concurrency,
        item_limits: ItemLimits::STANDARD,
    };
    let ports = Aws::load(config.aws).await;
    let meter = Arc::new(Lines { keeping: config.metrics, write: print });
    Ok(Relay::new(ports, target, settings, meter))
}

/// Writes directly to standard output: a log formatter would wrap the line, and CloudWatch would
/// not extract metrics from it. A write error loses only metrics.
fn print(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
