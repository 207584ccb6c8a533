//! One case: concurrent environments that work, fail and die, a reader, and the end, where
//! everything is delivered.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::ops::AddAssign;
use std::pin::pin;
use std::task::Poll;

use aws_sdk_dynamodb::types::AttributeValue;
use drover_aws::Aws;
use drover_core::base::limits::ItemLimits;
use drover_core::base::time::Timestamp;
use drover_core::dead_letter::envelope::Envelope;
use drover_core::intake::record::{Incoming, Source};
use drover_core::ledger::read::Question;
use drover_core::memory::Faulty;
use drover_core::pipeline::cache::HeadCache;
use drover_core::pipeline::{Disposition, Pipeline};
use drover_core::registry::Registry;
use drover_core::subject::reader;
use drover_tests::dynamodb::{REGISTRY, table};
use fastrand::Rng;
use futures_util::future::{join, join_all};

use super::check;
use super::event::{CaseSubject, Spec, TENANTS, drawn};
use super::recorded_ports::{RecordedPorts, faults};

const ENVIRONMENTS: usize = 4;
/// Invocations of each environment, before everything is delivered.
const INVOCATIONS: usize = 10;
/// The maximum redeliveries of unacknowledged records at the end.
const PATIENCE: usize = 10;

/// Small enough that a few entries make pages, splits and repairs.
const SMALL: ItemLimits = ItemLimits {
    slice_bytes: 900,
    // Every tail that is as large as the view is frozen.
    head_target_bytes: 1,
    keep_entries: 1,
    keep_bytes: 400,
    page_bytes: 200,
    frame_bytes: 600,
    read_pages: 3,
    stale_bytes: 1 << 20,
    write_pages: 99,
    write_bytes: 100_000,
};

/// Without a schema, so that every environment compiles it quickly.
pub(crate) const CONTRACT: &str = r#"{
    "name": "telemetry", "subject": {"kind": "device", "id": {"path": "/device_id"}},
    "event_id": {"path": "/event_id"}, "type": {"path": "/event_type"},
    "observed_at": {"path": "/timestamp", "format": "rfc3339"}, "without_time": "reject",
    "payload": {"path": "/payload"},
    "measures": [{"name": "temperature", "types": [], "path": "/value", "unit": "celsius"}]
}"#;

/// The number of interesting events in a run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Found {
    pub(crate) crashes: u64,
    pub(crate) sealed: u64,
    pub(crate) corrections: u64,
    pub(crate) stale: u64,
    pub(crate) lost_conditions: u64,
}

impl AddAssign for Found {
    fn add_assign(&mut self, other: Self) {
        self.crashes += other.crashes;
        self.sealed += other.sealed;
        self.corrections += other.corrections;
        self.stale += other.stale;
        self.lost_conditions += other.lost_conditions;
    }
}

/// A running case.
pub(crate) struct Case {
    pub(crate) seed: u64,
    pub(crate) specs: Vec<Spec>,
    pub(crate) recorded_ports: Faulty<RecordedPorts>,
    /// The disposition of each acknowledged record.
    pub(crate) acknowledged: RefCell<BTreeMap<usize, Disposition>>,
    pub(crate) crashes: RefCell<u64>,
}

/// The documents for the environments.
pub(crate) async fn documents(aws: &Aws) {
    let route = r#"{"contract":"telemetry","tenant":{"header":"tenant"}}"#.to_owned();
    let tenants = TENANTS.map(|name| (format!("T#{name}"), format!(r#"{{"id":"{name}"}}"#)));
    let version = format!(
        r#"{{"version":1,"applied_at":"2026-01-01T00:00:00Z","applied_by":"t","contract":{CONTRACT}}}"#
    );
    let others = [
        ("R#telemetry", route),
        ("C#telemetry", version.clone()),
        ("C#telemetry@1", version),
        ("REV", "{}".into()),
    ];
    let others = others.map(|(key, json)| (key.to_owned(), json));
    for (key, json) in tenants.into_iter().chain(others) {
        let put = aws.dynamodb().put_item().table_name(&*table(REGISTRY));
        let put = put.item("pk", AttributeValue::S(key)).item("d", AttributeValue::S(json));
        put.item("v", AttributeValue::N("1".to_owned())).send().await.expect("available");
    }
}

/// Runs the case of a seed.
pub(crate) async fn play(aws: &Aws, seed: u64) -> Result<Found, String> {
    let mut random = Rng::with_seed(seed);
    let specs = drawn(seed, &mut random);
    let recorded_ports = Faulty::over(RecordedPorts::new(aws.clone()));
    recorded_ports.fail(faults(random.fork()));
    let case = Case {
        seed,
        specs,
        recorded_ports,
        acknowledged: RefCell::default(),
        crashes: RefCell::new(0),
    };
    let environments = (0..ENVIRONMENTS).map(|_| case.environment(random.fork()));
    let (ended, looked) = join(join_all(environments), case.look_on(random.fork())).await;
    ended.into_iter().collect::<Result<Vec<()>, String>>()?;
    looked?;
    case.deliver_everything(&mut random).await?;
    check::end(&case).await?;
    Ok(case.found())
}

fn pipeline() -> Pipeline {
    Pipeline {
        registry: Registry::new(),
        heads: HeadCache::new(1 << 20),
        item_limits: SMALL,
        concurrency: 2,
    }
}

/// Polls a future at most so often, and then drops it.
async fn dies_after<T>(polls: u32, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(|context| {
        let Some(rest) = left.checked_sub(1) else { return Poll::Ready(None) };
        left = rest;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

impl Case {
    /// One environment: invocation after invocation, some of them aborted.
    async fn environment(&self, mut random: Rng) -> Result<(), String> {
        let mut pipeline = pipeline();
        for invocation in 0..INVOCATIONS {
            // The delivery continues, with some earlier records.
            let reached = (self.specs.len() * (invocation + 1) / INVOCATIONS).max(1);
            let batch: Vec<usize> =
                (0..random.usize(1..14)).map(|_| random.usize(..reached)).collect();
            let polls = if random.u8(..5) == 0 { random.u32(1..80) } else { u32::MAX };
            if dies_after(polls, self.invoke(&pipeline, &batch)).await.transpose()?.is_none() {
                *self.crashes.borrow_mut() += 1;
                if random.bool() {
                    pipeline = self::pipeline();
                }
            }
        }
        Ok(())
    }

    /// Delivers records, and records the acknowledged ones.
    async fn invoke(&self, pipeline: &Pipeline, batch: &[usize]) -> Result<(), String> {
        let records =
            batch.iter().map(|at| Incoming::Record(self.specs[*at].record(*at))).collect();
        let report = pipeline.process(&self.recorded_ports, records, Timestamp::MAX).await;
        let report = report.map_err(|open| format!("the breaker opened: {open}"))?;
        let mut acknowledged = self.acknowledged.borrow_mut();
        for (at, disposition) in batch.iter().zip(report.dispositions) {
            check::disposition(&self.specs[*at], disposition)?;
            if disposition != Disposition::Returned {
                acknowledged.insert(*at, disposition);
            }
        }
        Ok(())
    }

    /// A reader, which must find every event that was acknowledged before.
    async fn look_on(&self, mut random: Rng) -> Result<(), String> {
        for _ in 0..2 * INVOCATIONS {
            let case_subject = CaseSubject::all(self.seed)[random.usize(..4)];
            let must_see = self.applied(case_subject);
            let question = Question::History { from: None, to: None };
            // Writers may be faster every time; that is a valid result too.
            if let Ok((snapshot, _)) =
                reader::read(self.recorded_ports.store(), &case_subject.location(), question).await
            {
                check::snapshot(snapshot.as_ref(), &must_see)?;
            }
        }
        Ok(())
    }

    /// The positions of a subject's records that were acknowledged as applied.
    fn applied(&self, case_subject: CaseSubject) -> Vec<drover_core::base::id::Position> {
        let acknowledged = self.acknowledged.borrow();
        let applied = acknowledged.iter().filter(|(_, disposition)| {
            matches!(disposition, Disposition::Applied | Disposition::Duplicate)
        });
        let specs = applied.map(|(at, _)| &self.specs[*at]);
        specs.filter(|spec| spec.case_subject == case_subject).map(Spec::position).collect()
    }

    /// Without faults, delivers every unacknowledged record, then the buffer, and then everything
    /// again in another order.
    async fn deliver_everything(&self, random: &mut Rng) -> Result<(), String> {
        self.recorded_ports.fail_nothing();
        let warm = pipeline();
        for _ in 0..PATIENCE {
            let open = |at: &usize| !self.acknowledged.borrow().contains_key(at);
            let open: Vec<usize> = (0..self.specs.len()).filter(open).collect();
            for batch in open.chunks(7) {
                self.invoke(&warm, batch).await?;
            }
            self.drain(&warm).await?;
        }
        let mut all: Vec<usize> = (0..self.specs.len()).collect();
        random.shuffle(&mut all);
        let cold = pipeline();
        for batch in all.chunks(9) {
            self.invoke(&cold, batch).await?;
        }
        check::all_acknowledged(self)
    }

    /// Drains the buffer as a replay does: each record goes through the pipeline again.
    async fn drain(&self, pipeline: &Pipeline) -> Result<(), String> {
        let messages = std::mem::take(&mut self.recorded_ports.noted().buffer);
        for message in messages {
            let envelope: Envelope =
                serde_json::from_str(&message.body).map_err(|error| error.to_string())?;
            let Source::Kafka { offset, .. } = envelope.source else { continue };
            let at = usize::try_from(offset).map_err(|error| error.to_string())?;
            self.acknowledged.borrow_mut().remove(&at);
            self.invoke(pipeline, &[at]).await?;
        }
        Ok(())
    }

    fn found(&self) -> Found {
        let noted = self.recorded_ports.noted();
        let heads = noted.written.values().flatten();
        let stale = heads.filter(|head| head.stale.is_some()).count();
        Found {
            crashes: *self.crashes.borrow(),
            sealed: noted.sealed,
            corrections: noted.corrections,
            stale: u64::try_from(stale).unwrap_or(u64::MAX),
            lost_conditions: noted.lost_conditions,
        }
    }
}
