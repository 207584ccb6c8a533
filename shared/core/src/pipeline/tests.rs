//! Tests of whole invocations: which records wait, and where, if the registry or a table fails.

mod batching;
mod breaker;
mod drained;
mod elements;
mod ignored;
mod lines;
mod receipt;
mod sampled;
mod versions;
mod views;

use futures_util::FutureExt as _;

use super::*;
use crate::base::error::{Code, Reason};
use crate::base::id::{SubjectId, TenantId};
use crate::base::scope::TenantScope;
use crate::dead_letter::envelope::Envelope;
use crate::dead_letter::message::Message;
use crate::intake::record::{Record, Source};
use crate::memory::{Call, Fault, Faulty, Memory};

fn envelopes(messages: &[Message]) -> Vec<Envelope> {
    messages.iter().map(|message| Envelope::read(&message.body).expect("an envelope")).collect()
}

/// The number of events in all heads.
fn events(memory: &Faulty<Memory>) -> usize {
    let heads: Vec<_> = memory.state().heads.values().cloned().collect();
    let read = |stored: &crate::ledger::StoredHead| {
        let head = crate::ledger::codec::decode_head(&stored.bytes).expect("a head");
        usize::try_from(head.base.event_count).expect("few") + head.tail.len()
    };
    heads.iter().map(read).sum()
}

const CONTRACT: &str = r#"{
    "name": "mine", "subject": {"kind": "device", "id": {"path": "/id"}},
    "type": {"const": "seen"}, "observed_at": {"path": "/at", "format": "epoch"},
    "payload": {"path": ""}
}"#;
const NOW: i64 = 1_800_000_000;

fn second(at: i64) -> Timestamp {
    Timestamp::from_micros(NOW * 1_000_000).expect("in range").plus_seconds(at)
}

fn pipeline() -> Pipeline {
    Pipeline {
        registry: Registry::new(),
        heads: HeadCache::new(1 << 20),
        item_limits: ItemLimits::STANDARD,
        concurrency: 4,
    }
}

/// Tenants `demo` and `acme`, and the topic `known`, whose records have their tenant in a header.
fn memory() -> Faulty<Memory> {
    let memory = Faulty::over(Memory::new(second(60)));
    memory.put_document("T#demo", r#"{"id":"demo"}"#);
    memory.put_document("T#acme", r#"{"id":"acme"}"#);
    memory.put_document("R#known", r#"{"contract":"mine","tenant":{"header":"tenant"}}"#);
    memory.put_contract("mine", CONTRACT);
    memory.put_document("REV", "{}");
    memory
}

/// A record without a key: offset `at`, observed and timestamped `at` seconds after [`NOW`].
fn record(topic: &str, tenant: &str, device: &str, at: i64) -> Record {
    let stamp = second(at);
    Record {
        source: Source::Kafka {
            topic: Arc::from(topic),
            partition: 0,
            offset: at,
            timestamp: Some(stamp.micros() / 1_000),
            element: None,
        },
        key: None,
        value: Some(format!(r#"{{"id":"{device}","at":{}}}"#, NOW + at).into_bytes()),
        headers: vec![("tenant".to_owned(), tenant.as_bytes().to_vec())],
        received_at: Some(stamp),
        ingested_at: stamp,
    }
}

fn known(device: &str, at: i64) -> Record {
    record("known", "demo", device, at)
}

/// Records of a topic that has no route.
fn unknown(count: i64) -> Vec<Record> {
    (0..count).map(|at| record("unknown", "demo", "d1", at)).collect()
}

fn try_process(
    memory: &Faulty<Memory>,
    records: Vec<Record>,
) -> Result<Vec<Disposition>, BreakerOpen> {
    let records = records.into_iter().map(Incoming::Record).collect();
    let report = pipeline().process(memory, records, Timestamp::MAX).now_or_never();
    report.expect("memory never waits").map(|report| report.dispositions)
}

fn process(memory: &Faulty<Memory>, records: Vec<Record>) -> Vec<Disposition> {
    try_process(memory, records).expect("a closed breaker")
}

fn fail_documents(
    memory: &Faulty<Memory>,
    fails: impl Fn(u32) -> bool + Send + 'static,
) -> Arc<Calls> {
    let calls = Arc::new(Calls::default());
    let counted = Arc::clone(&calls);
    memory.fail(move |call| {
        if call != Call::Document {
            return Fault::None;
        }
        let before = counted.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if fails(before) { Fault::Refused } else { Fault::None }
    });
    calls
}

/// The number of calls.
#[derive(Default)]
struct Calls(std::sync::atomic::AtomicU32);

impl Calls {
    fn count(&self) -> u32 {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}

#[test]
fn a_registry_that_is_down_is_called_once() {
    let memory = memory();
    let calls = fail_documents(&memory, |_| true);
    let dispositions = process(&memory, (0..200).map(|at| known("d1", at % 60)).collect());
    assert_eq!(dispositions, [Disposition::Returned; 200]);
    assert_eq!(calls.count(), 1);
}

#[test]
fn a_read_that_fails_once_holds_back_every_record_that_needs_it() {
    for failing in 0..4 {
        let memory = memory();
        fail_documents(&memory, move |call| call == failing);
        let dispositions = process(&memory, vec![known("d1", 1), known("d1", 2), known("d2", 3)]);
        assert_eq!(dispositions, [Disposition::Returned; 3], "read {failing}");
        assert!(memory.state().heads.is_empty());
    }
}

#[test]
fn a_tenant_document_that_cannot_be_read_sends_only_that_tenant_to_the_buffer_and_is_read_once() {
    let memory = memory();
    memory.put_document("T#acme", "no document");
    let calls = fail_documents(&memory, |_| false);
    let acme = |at| record("known", "acme", "d1", at);
    let records = vec![acme(1), known("d1", 2), acme(3), known("d1", 4), acme(5)];
    let (waits, applied) = (Disposition::Buffered, Disposition::Applied);
    assert_eq!(process(&memory, records), [waits, applied, waits, applied, waits]);
    // A route, two tenants, the revision, a contract.
    assert_eq!(calls.count(), 5);
    assert_eq!(memory.state().heads.len(), 1);
    assert_eq!(buffered_tenants(&memory), ["acme", "acme", "acme"]);
}

#[test]
fn a_contract_that_cannot_be_read_sends_each_tenants_records_to_the_buffer() {
    let memory = memory();
    memory.put_document("C#mine", "no contract");
    let records = vec![known("d1", 1), record("known", "acme", "d1", 2)];
    assert_eq!(process(&memory, records), [Disposition::Buffered; 2]);
    assert_eq!(buffered_tenants(&memory), ["demo", "acme"]);
}

/// Without the route, the tenant of a record is unknown. Other topics are not affected.
#[test]
fn a_route_that_cannot_be_read_holds_its_topic() {
    let memory = memory();
    memory.put_document("R#known", "no route");
    memory.put_document("R#other", r#"{"contract":"mine","tenant":{"header":"tenant"}}"#);
    let records = vec![known("d1", 1), record("other", "demo", "d1", 2)];
    assert_eq!(process(&memory, records), [Disposition::Returned, Disposition::Applied]);
}

fn buffered_tenants(memory: &Faulty<Memory>) -> Vec<String> {
    let state = memory.state();
    let tenant = |message: &crate::dead_letter::message::Message| {
        let envelope = Envelope::read(&message.body).expect("an envelope");
        assert_eq!(envelope.tenant, message.tenant.as_ref().map(ToString::to_string));
        envelope.tenant.expect("a tenant")
    };
    state.buffer.iter().map(tenant).collect()
}

/// Makes the heads of these devices unreadable, so that their subjects are unavailable.
fn break_heads(memory: &Faulty<Memory>, devices: &[&str]) {
    let scope = TenantScope::by_operator(TenantId::parse("demo").expect("a tenant"));
    for device in devices {
        let subject = SubjectId::parse(&format!("device/{device}")).expect("a subject");
        let head = crate::ledger::StoredHead { version: 1, bytes: vec![0xff] };
        memory.state().heads.insert(scope.subject(subject).partition_key(), head);
    }
}

#[test]
fn an_unavailable_subject_waits_in_the_buffer_with_all_its_later_records() {
    let memory = memory();
    break_heads(&memory, &["d0", "d1", "d2"]);
    let mut records: Vec<Record> = ["d0", "d1", "d2", "d3"].map(|device| known(device, 1)).into();
    // The record in the future would be rejected, but it waits too, because an earlier record of its
    // subject waits.
    let mut future = known("d0", 50);
    future.ingested_at = second(-600);
    records.extend([future, known("d0", 2), known("d3", 2)]);
    let (waits, applied) = (Disposition::Buffered, Disposition::Applied);
    assert_eq!(process(&memory, records), [waits, waits, waits, applied, waits, waits, applied]);
    assert_eq!(memory.state().buffer.len(), 5);
    assert!(memory.state().letters.is_empty());
}

#[test]
fn a_shared_table_that_does_not_answer_sends_everything_back() {
    let memory = memory();
    memory.fail(|call| match call {
        Call::Head => Fault::Refused,
        _ => Fault::None,
    });
    let records = vec![known("d1", 1), record("known", "acme", "d1", 2)];
    assert_eq!(process(&memory, records), [Disposition::Returned; 2]);
    assert!(memory.state().buffer.is_empty());
}

/// The tenant `acme` with a table of its own, which fails in this way.
fn memory_with_broken_table(reason: Reason) -> Faulty<Memory> {
    let memory = memory();
    memory.put_document("T#acme", r#"{"id":"acme","placement":{"table":"acme-ledger"}}"#);
    memory.break_table("acme-ledger", reason);
    memory
}

/// The number of records and the other tenants of the batch make no difference.
#[test]
fn if_a_tenants_own_table_fails_only_that_tenants_records_go_to_the_buffer() {
    for reason in [Reason::Misconfigured, Reason::Throttled, Reason::Unreachable] {
        let memory = memory_with_broken_table(reason);
        let mut records: Vec<Record> =
            (0..40).map(|at| record("known", "acme", &format!("d{at}"), at)).collect();
        let all = process(&memory, records.clone());
        assert_eq!(all, [Disposition::Buffered; 40], "{reason:?}");
        records.insert(20, known("d1", 1));
        let dispositions = process(&memory, records);
        assert_eq!(dispositions[20], Disposition::Applied);
        let buffered = dispositions.iter().filter(|one| **one == Disposition::Buffered);
        assert_eq!(buffered.count(), 40);
    }
}

/// The environment is warm and has the heads in its cache.
#[test]
fn throttled_writes_to_a_tenants_own_table_are_retried_once() {
    let memory = memory();
    memory.put_document("T#acme", r#"{"id":"acme","placement":{"table":"acme-ledger"}}"#);
    let pipeline = pipeline();
    let process = |at: i64| {
        let acme = (0..20).map(|device| record("known", "acme", &format!("d{device}"), at));
        let records = acme.chain([known("d1", at)]).map(Incoming::Record).collect();
        let report = pipeline.process(&memory, records, Timestamp::MAX).now_or_never();
        report.expect("memory never waits").expect("a closed breaker").dispositions
    };
    assert_eq!(process(1), [Disposition::Applied; 21]);
    memory.break_table("acme-ledger", Reason::Throttled);
    let writes = Arc::new(Calls::default());
    let counted = Arc::clone(&writes);
    memory.fail(move |call| {
        counted.0.fetch_add(u32::from(call == Call::Write), std::sync::atomic::Ordering::Relaxed);
        Fault::None
    });
    let dispositions = process(2);
    assert_eq!(dispositions[..20], [Disposition::Buffered; 20]);
    assert_eq!(dispositions[20], Disposition::Applied);
    // One write of `acme`, after which the head cannot be read, and one write of `demo`.
    assert_eq!(writes.count(), 2);
}

#[test]
fn a_table_that_failed_is_not_called_for_subjects_that_have_not_started() {
    let memory = memory_with_broken_table(Reason::Misconfigured);
    let asked = Arc::new(Calls::default());
    let counted = Arc::clone(&asked);
    memory.fail(move |call| {
        let asks = u32::from(call == Call::Head);
        counted.0.fetch_add(asks, std::sync::atomic::Ordering::Relaxed);
        Fault::None
    });
    let records = (0..50).map(|at| record("known", "acme", &format!("d{at}"), at)).collect();
    process(&memory, records);
    assert_eq!(asked.count(), 1);
}

#[test]
fn a_record_that_no_queue_accepts_is_returned_to_its_source() {
    let memory = memory();
    break_heads(&memory, &["d0"]);
    memory.fail(|call| match call {
        Call::Letter | Call::Buffer => Fault::Refused,
        _ => Fault::None,
    });
    let mut records: Vec<Record> = ["d0", "d1", "d2", "d3"].map(|device| known(device, 1)).into();
    records.push(Record { value: None, ..known("d1", 2) });
    let (back, applied) = (Disposition::Returned, Disposition::Applied);
    assert_eq!(process(&memory, records), [back, applied, applied, applied, back]);
}
