//! The functions over the host's own services. Each function is one warm environment that lives as
//! long as the host. Under load Lambda would start more environments; here one environment runs all
//! invocations concurrently.

use std::sync::Arc;

use axum::body::Bytes;
use drover_core::base::limits::ItemLimits;
use drover_core::base::metrics::Meter;
use drover_core::base::metrics::emf::{Keeping, Lines};
use drover_core::intake::quota::{ReadQuotas, WriteQuotas};
use drover_core::intake::record::TopicRetention;
use drover_core::ports::Clock as _;
use drover_core::registry::Registry;
use drover_core::replay::RunLimits;
use drover_http::{Origins, finished};
use drover_ingest::WebhookOrigins;
use drover_intake::log_breaker::LogBreaker;
use drover_intake::{AuthMode, Gate, Intake, LocalKeys};
use drover_local_sqs::Sqs;
use drover_notify::Notify;
use drover_notify::sending::{Allowed, Targets};
use drover_processor::Processor;
use drover_query::health::{Process, memory_bytes};
use drover_query::{Access, Query};
use drover_relay::{Relay, Settings as RelaySettings};
use drover_replay::{Environment, QueueNames, Replay};

use super::pipeline::{SETTINGS, pipeline};
use crate::data_folder::Addresses;
use crate::event_log::HostFeeds;
use crate::function::{DEFAULT_TIMEOUT, Functions, InvocationContext, answer, lambda_event};
use crate::mapping::HostEventLog;
use crate::ports::{BUFFER, DEAD_LETTERS, ports, table_names};
use crate::probes::{HostProbes, HostSources};
use crate::prometheus::HostMeter;

/// The sources of records, and where feeds are sent.
pub(crate) struct RecordSources<'a> {
    /// The event log.
    pub(crate) event_log: &'a HostEventLog,
    /// The retention of its topics.
    pub(crate) retention: TopicRetention,
    /// The queues of dead letters and of buffered records.
    pub(crate) queues: &'a Sqs,
    /// Where feeds are sent.
    pub(crate) feeds: HostFeeds,
}

/// The functions that count metrics.
pub(crate) const METERED: [&str; 6] = [
    drover_ingest::FUNCTION,
    drover_notify::FUNCTION,
    drover_processor::FUNCTION,
    drover_query::FUNCTION,
    drover_relay::FUNCTION,
    drover_replay::FUNCTION,
];

/// All functions. Each has its own clients, as on Lambda, because connections live on the threads
/// of the function that opened them.
pub(crate) fn functions(
    addresses: &Addresses,
    RecordSources { event_log, retention, queues, feeds }: RecordSources<'_>,
    webhook_origins: WebhookOrigins,
    meter: &Arc<HostMeter>,
) -> Functions {
    let as_meter = || Arc::clone(meter) as Arc<dyn Meter>;
    let processor = Arc::new(Processor::new(ports(addresses), pipeline(), retention, as_meter()));
    let (writing, reading) = (ports(addresses), ports(addresses));
    let process = move |event: Bytes, context: InvocationContext| {
        let processor = Arc::clone(&processor);
        async move { answer(processor.handle(lambda_event(&event, context)?).await) }
    };
    let intake = Intake {
        function: drover_ingest::FUNCTION,
        event_log: event_log.sending(writing.clone(), as_meter()),
        ports: writing,
        registry: Registry::new(),
        gate: gate(),
        quotas: WriteQuotas::default(),
        log_breaker: LogBreaker::default(),
        meter: as_meter(),
    };
    let query = Query {
        access: Access {
            ports: reading.clone(),
            registry: Registry::new(),
            gate: gate(),
            quotas: ReadQuotas::default(),
            meter: as_meter(),
        },
        probes: HostProbes { ports: reading.clone(), event_log: event_log.clone() },
        counts: meter.tallies(),
        process: Process { started_at: reading.now(), memory_bytes },
    };
    // Two environments, as on Lambda, so that work from queues does not delay HTTP requests.
    let replay_environment = || {
        let ports = ports(addresses);
        let event_log = event_log.reread();
        Arc::new(Environment {
            ports,
            sources: HostSources { event_log, queues: queues.clone() },
            pipeline: pipeline(),
            limits: RunLimits {
                item_limits: ItemLimits::STANDARD,
                concurrency: SETTINGS.concurrency,
                cache_bytes: SETTINGS.cache_bytes,
                retention,
            },
            queues: QueueNames::of_urls(DEAD_LETTERS, BUFFER),
            gate: gate(),
            quotas: ReadQuotas::default(),
            meter: as_meter(),
        })
    };
    let invoked = replay_environment();
    let router = finished(drover_replay::routes(Arc::clone(&invoked)), Origins::Local);
    let replay = Arc::new(Replay::new(invoked, router));
    let replay = move |event: Bytes, context: InvocationContext| {
        let replay = Arc::clone(&replay);
        async move { answer(replay.handle(lambda_event(&event, context)?).await) }
    };
    let settings = RelaySettings {
        ledger_table: table_names().ledger,
        concurrency: SETTINGS.concurrency,
        item_limits: ItemLimits::STANDARD,
    };
    let relay = Arc::new(Relay::new(ports(addresses), feeds, settings, as_meter()));
    let relay = move |event: Bytes, context: InvocationContext| {
        let relay = Arc::clone(&relay);
        async move { answer(relay.handle(lambda_event(&event, context)?).await) }
    };
    // No target of AWS: the host has no account.
    let targets = Targets::new(None, Allowed::default().and_loopback());
    let notify = Arc::new(Notify::new(ports(addresses), targets, as_meter()));
    let notify = move |event: Bytes, context: InvocationContext| {
        let notify = Arc::clone(&notify);
        async move { answer(notify.handle(lambda_event(&event, context)?).await) }
    };
    let replay_routes = drover_replay::routes(replay_environment());
    let ingest_routes = drover_ingest::routes(Arc::new(intake), webhook_origins);
    Functions::default()
        .with_routes_and_events(drover_replay::FUNCTION, DEFAULT_TIMEOUT, replay_routes, replay)
        .with(drover_processor::FUNCTION, DEFAULT_TIMEOUT, process)
        .with(drover_relay::FUNCTION, DEFAULT_TIMEOUT, relay)
        .with(drover_notify::FUNCTION, DEFAULT_TIMEOUT, notify)
        .with_routes(drover_ingest::FUNCTION, DEFAULT_TIMEOUT, ingest_routes)
        .with_routes(drover_query::FUNCTION, DEFAULT_TIMEOUT, drover_query::routes(query))
}

/// Local keys are valid on this host only.
fn gate() -> Gate {
    Gate { mode: AuthMode::Key(LocalKeys::Accepted) }
}

/// The destination of metric lines. One line per invocation would flood a console, so they are
/// shown with `--log metrics=debug` only.
pub(crate) fn metric_lines() -> Lines {
    Lines {
        keeping: Keeping::default(),
        write: |line| tracing::debug!(target: "metrics", "{line}"),
    }
}
