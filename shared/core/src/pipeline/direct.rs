//! The direct mode without an event log: ingest commits events to the ledger itself, through the same
//! pipeline as the processor, and answers after the commit. A team can start in this mode, without standing
//! cost, and add an event log later.

use std::sync::Arc;

use crate::base::metrics::Meter;
use crate::base::time::Timestamp;
use crate::intake::event_log::{NotSent, Outgoing};
use crate::pipeline::{Pipeline, RecordOutcome, Settled};
use crate::ports::{EventLog, Ports};

/// An event log that commits each event to the ledger.
pub struct Direct<W> {
    /// The ports of the pipeline.
    pub ports: W,
    /// The pipeline.
    pub pipeline: Pipeline,
    /// Records the metrics.
    pub meter: Arc<dyn Meter>,
    /// The name of the function in metrics.
    pub function: &'static str,
}

impl<W: Ports> EventLog for Direct<W> {
    async fn send(&self, events: &[Outgoing], deadline: Timestamp) -> Vec<Result<(), NotSent>> {
        let (results, tally) = self.pipeline.commit(&self.ports, events, deadline).await;
        self.meter.record(self.function, &tally, self.ports.now());
        results.iter().map(sent).collect()
    }
}

fn sent(settled: &Settled) -> Result<(), NotSent> {
    match settled.outcome() {
        RecordOutcome::Applied | RecordOutcome::Duplicate | RecordOutcome::Ignored => Ok(()),
        RecordOutcome::Rejected(rejection) => Err(rejection.clone().into()),
        RecordOutcome::Unavailable(unavailable) => Err(unavailable.clone().into()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::FutureExt as _;
    use serde_json::json;

    use super::*;
    use crate::base::dependency::Dependency;
    use crate::base::error::Code;
    use crate::base::id::TenantId;
    use crate::base::limits::ItemLimits;
    use crate::base::metrics::{Metric, Tally};
    use crate::base::scope::TenantScope;
    use crate::intake::contract::{Contract, builtin};
    use crate::intake::record::{Record, Source};
    use crate::intake::tenant::Tenant;
    use crate::memory::{Call, Fault, Faulty, Memory};
    use crate::pipeline::cache::HeadCache;
    use crate::registry::Registry;

    #[derive(Default)]
    struct Counted(Mutex<f64>);

    impl Meter for Counted {
        fn record(&self, function: &'static str, tally: &Tally, _now: Timestamp) {
            assert_eq!(function, "ingest");
            *self.0.lock().expect("no panic before") += tally.total(Metric::UniqueDevices);
        }
    }

    fn now() -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000).expect("in range")
    }

    fn outgoing(device: &str, id: &str, value: i32) -> Outgoing {
        let body = json!({
            "device_id": device, "event_id": id, "event_type": "temperature",
            "timestamp": now().to_string(), "payload": {"value": value},
        });
        let source = Source::Http { request_id: Arc::from("r"), index: 0, element: None };
        let record = Record {
            source: source.clone(),
            key: None,
            value: Some(body.to_string().into_bytes()),
            headers: Vec::new(),
            received_at: None,
            ingested_at: now(),
        };
        let document = builtin("telemetry").expect("it parses").expect("it is there");
        let contract = Contract::compile(&document).expect("it compiles");
        let scope = TenantScope::by_operator(TenantId::parse("demo").expect("a tenant"));
        let event = contract.read(&record.parsed(), &scope).expect("read").expect("an event");
        let tenant = Arc::new(Tenant::check(&json!({"id": "demo"})).expect("a tenant"));
        Outgoing::new(event, tenant, source, Vec::new(), None).expect("JSON")
    }

    fn direct(counted: &Arc<Counted>) -> Direct<Faulty<Memory>> {
        let pipeline = Pipeline {
            registry: Registry::new(),
            heads: HeadCache::new(1 << 20),
            item_limits: ItemLimits::STANDARD,
            concurrency: 4,
        };
        let meter = Arc::clone(counted) as Arc<dyn Meter>;
        Direct { ports: Faulty::over(Memory::new(now())), pipeline, meter, function: "ingest" }
    }

    #[test]
    fn each_event_gets_its_result_and_no_message_is_queued() {
        let counted = Arc::new(Counted::default());
        let direct = direct(&counted);
        let send = |events: &[Outgoing]| {
            direct.send(events, Timestamp::MAX).now_or_never().expect("memory never waits")
        };
        let first = [outgoing("d1", "e1", 1), outgoing("d1", "e2", 2), outgoing("d2", "e1", 1)];
        assert_eq!(send(&first), [Ok(()), Ok(()), Ok(())]);
        let again = send(&[outgoing("d1", "e1", 1), outgoing("d1", "e2", 3)]);
        assert_eq!(again[0], Ok(()), "a duplicate is in the ledger");
        let Err(NotSent::Rejected(rejection)) = &again[1] else { panic!("{again:?}") };
        assert_eq!(rejection.code, Code::PayloadMismatch);
        direct.ports.fail(|call| match call {
            Call::Head | Call::Write => Fault::Refused,
            _ => Fault::None,
        });
        let down = send(&[outgoing("d3", "e1", 1)]);
        let [Err(NotSent::Unavailable(unavailable))] = &down[..] else { panic!("{down:?}") };
        assert_eq!(unavailable.dependency, Some(Dependency::LedgerTable));
        let state = direct.ports.state();
        assert!(state.letters.is_empty() && state.buffer.is_empty());
        assert!((*counted.0.lock().expect("no panic before") - 2.0).abs() < f64::EPSILON);
    }
}
