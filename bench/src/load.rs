//! Telemetry of about 250 bytes of JSON with an 80-byte payload, one event type per subject, UUIDs
//! as event ids: the load that the design's cost promises refer to. Events arrive in order, or with
//! one in ten up to 30 positions late.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use drover_core::base::limits::ItemLimits;
use drover_core::base::metrics::emf::{Keeping, Lines};
use drover_core::base::time::Timestamp;
use drover_core::intake::record::TopicRetention;
use drover_core::pipeline::Pipeline;
use drover_core::pipeline::cache::HeadCache;
use drover_core::ports::Ports;
use drover_core::registry::Registry;
use drover_processor::Processor;
use lambda_runtime::{Context, LambdaEvent};
use serde_json::json;
use serde_json::value::RawValue;

/// The time of the first event: 2026-11-21T00:00:00Z.
pub(crate) const START_MILLIS: i64 = 1_795_219_200_000;
/// Milliseconds between two events of a subject.
const STEP_MILLIS: i64 = 10_000;

/// A sequence of records for a number of subjects.
pub(crate) struct Load {
    random: fastrand::Rng,
    subjects: usize,
    late: bool,
    /// For each subject, the positions of its events in order of arrival.
    orders: Vec<std::vec::IntoIter<i64>>,
    offset: i64,
}

impl Load {
    /// `events` events for each of `subjects` subjects. The seed is fixed, so every run gets the
    /// same records.
    pub(crate) fn new(subjects: usize, events: i64, late: bool) -> Self {
        let mut random = fastrand::Rng::with_seed(7);
        let orders = (0..subjects).map(|_| order(events, late, &mut random).into_iter()).collect();
        Self { random, subjects, late, orders, offset: 0 }
    }

    /// Lambda's event with the next `per_subject` events of every subject.
    pub(crate) fn batch(&mut self, per_subject: usize) -> Option<String> {
        let mut records = Vec::with_capacity(self.subjects * per_subject);
        for subject in 0..self.subjects {
            for _ in 0..per_subject {
                let position = self.orders.get_mut(subject)?.next()?;
                records.push(self.record(subject, position));
            }
        }
        Some(lambda_event(&records))
    }

    fn record(&mut self, subject: usize, position: i64) -> serde_json::Value {
        let random = &mut self.random;
        let observed = START_MILLIS + position * STEP_MILLIS + random.i64(0..1_000);
        let received = observed + 150 + random.i64(0..400) + if self.late { 300_000 } else { 0 };
        self.offset += 1;
        record(random, self.offset, subject, Times { observed, received })
    }
}

/// Milliseconds since 1970.
pub(crate) struct Times {
    pub(crate) observed: i64,
    pub(crate) received: i64,
}

/// One record of a subject.
pub(crate) fn record(
    random: &mut fastrand::Rng,
    offset: i64,
    subject: usize,
    times: Times,
) -> serde_json::Value {
    let observed =
        Timestamp::from_millis(times.observed).map(|at| at.to_string()).unwrap_or_default();
    let (whole, part) = (18 + random.u32(0..8), random.u32(0..100));
    let id = uuid(random);
    let value = format!(
        r#"{{"device_id":"device-{subject:05}","event_type":"temperature","event_id":"{id}","timestamp":"{observed}","payload":{{"location":"hall-3","quality":"good","sensor":"s-0017","unit":"celsius","value":{whole}.{part:02}}}}}"#
    );
    json!({
        "topic": "telemetry", "partition": 0, "offset": offset, "timestamp": times.received,
        "timestampType": "CREATE_TIME",
        "key": base64_simd::STANDARD.encode_to_string(format!("device-{subject:05}")),
        "value": base64_simd::STANDARD.encode_to_string(value),
        "headers": [{"tenant": b"demo".to_vec()}],
    })
}

/// Lambda's event with these records.
pub(crate) fn lambda_event(records: &[serde_json::Value]) -> String {
    let by_partition = BTreeMap::from([("telemetry-0", records)]);
    let arn = "arn:aws:kafka:us-east-1:000000000000:cluster/drover/1";
    json!({"eventSource": "aws:kafka", "eventSourceArn": arn, "records": by_partition}).to_string()
}

/// Positions in order of arrival; with `late`, one in ten arrives up to 30 positions late.
pub(crate) fn order(events: i64, late: bool, random: &mut fastrand::Rng) -> Vec<i64> {
    let mut turns: Vec<(i64, i64)> = (0..events)
        .map(|position| {
            let delay = if late && random.u32(0..10) == 0 { random.i64(1..=30) } else { 0 };
            (2 * (position + delay) + i64::from(delay > 0), position)
        })
        .collect();
    turns.sort_unstable();
    turns.into_iter().map(|(_, position)| position).collect()
}

fn uuid(random: &mut fastrand::Rng) -> String {
    let mut text = String::with_capacity(36);
    for (at, digits) in [8, 4, 4, 4, 12].into_iter().enumerate() {
        if at > 0 {
            text.push('-');
        }
        for _ in 0..digits {
            // Writing to a String cannot fail.
            let _ = write!(text, "{:x}", random.u8(0..16));
        }
    }
    text
}

/// The documents of the registry: those of the local host, without keys.
pub(crate) const DOCUMENTS: [(&str, &str); 2] = [
    ("T#demo", r#"{"id":"demo"}"#),
    ("R#telemetry", r#"{"contract":"telemetry","tenant":{"header":"tenant"}}"#),
];

/// A processor like that of its main.rs, with a small head cache and without metrics.
pub(crate) fn processor<W: Ports>(ports: W) -> Processor<W> {
    Processor::new(
        ports,
        pipeline(),
        // The load has fixed timestamps, whenever it runs.
        TopicRetention::LONGEST,
        std::sync::Arc::new(Lines { keeping: Keeping::default(), write: |_| {} }),
    )
}

/// The pipeline of this processor.
pub(crate) fn pipeline() -> Pipeline {
    Pipeline {
        registry: Registry::new(),
        heads: HeadCache::new(8 << 20),
        item_limits: ItemLimits::STANDARD,
        concurrency: 100,
    }
}

/// An invocation of this processor.
pub(crate) fn invocation(event: &str) -> anyhow::Result<LambdaEvent<Box<RawValue>>> {
    let payload = RawValue::from_string(event.to_owned())?;
    let mut context = Context::default();
    context.deadline = u64::MAX;
    Ok(LambdaEvent::new(payload, context))
}
