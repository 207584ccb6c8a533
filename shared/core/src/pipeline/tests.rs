//! Facts about whole invocations: the breaker, a registry that fails, who waits and where.

use futures_util::FutureExt as _;
use proptest::prelude::*;

use super::*;
use crate::base::error::Code;
use crate::base::id::{SubjectId, TenantId};
use crate::base::scope::TenantScope;
use crate::dead_letter::envelope::Envelope;
use crate::dead_letter::opened::{Opened, open};
use crate::intake::document::StoredDocument;
use crate::intake::kafka_event::{Decoded, decode};
use crate::intake::record::{Receipt, Record, Source, TopicRetention};
use crate::memory::{Call, Fault, Memory};
use crate::replay::filing::{Filing, Received, read};

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
        shape: Shape::STANDARD,
        concurrency: 4,
    }
}

/// Tenants `demo` and `acme`, and the topic `known`, whose records name their tenant in a header.
fn memory() -> Memory {
    let memory = Memory::new(second(60));
    memory.put_document("T#demo", r#"{"id":"demo"}"#);
    memory.put_document("T#acme", r#"{"id":"acme"}"#);
    memory.put_document("R#known", r#"{"contract":"mine","tenant":{"header":"tenant"}}"#);
    memory.put_document("C#mine", CONTRACT);
    memory.put_document("REV", "{}");
    memory
}

/// A record without a key: the `at`-th of its topic, observed and stamped that many seconds in.
fn record(topic: &str, tenant: &str, device: &str, at: i64) -> Record {
    let stamp = second(at);
    Record {
        source: Source::Kafka {
            topic: Arc::from(topic),
            partition: 0,
            offset: at,
            timestamp: Some(stamp.micros() / 1_000),
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

fn try_process(memory: &Memory, records: Vec<Record>) -> Result<Vec<Disposition>, BreakerOpen> {
    let records = records.into_iter().map(Incoming::Record).collect();
    let report = pipeline().process(memory, records, Timestamp::MAX).now_or_never();
    report.expect("memory never waits").map(|report| report.dispositions)
}

fn process(memory: &Memory, records: Vec<Record>) -> Vec<Disposition> {
    try_process(memory, records).expect("a closed breaker")
}

fn fail_documents(memory: &Memory, fails: impl Fn(u32) -> bool + Send + 'static) -> Arc<Calls> {
    let calls = Arc::new(Calls::default());
    let counted = Arc::clone(&calls);
    memory.state().faults = Box::new(move |call| {
        if call != Call::Document {
            return Fault::None;
        }
        let before = counted.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if fails(before) { Fault::Refused } else { Fault::None }
    });
    calls
}

/// How often the registry's store was asked.
#[derive(Default)]
struct Calls(std::sync::atomic::AtomicU32);

impl Calls {
    fn count(&self) -> u32 {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}

fn check_open(memory: &Memory, records: Vec<Record>, code: Code, fault: &str) {
    let open = try_process(memory, records).expect_err("an open breaker");
    assert_eq!((open.code, open.fault.as_str()), (code, fault));
    let state = memory.state();
    assert!(state.letters.is_empty() && state.buffer.is_empty() && state.heads.is_empty());
}

#[test]
fn twenty_records_that_are_all_unknown_to_a_registry_without_revision_open_the_breaker() {
    let memory = memory();
    memory.state().documents.remove("REV");
    let none = "the registry has no revision document";
    check_open(&memory, unknown(20), Code::UnknownContract, none);
    let strangers = (0..20).map(|at| record("known", "nobody", "d1", at)).collect();
    check_open(&memory, strangers, Code::UnknownTenant, none);
}

#[test]
fn a_registry_that_is_older_than_this_environment_has_seen_opens_the_breaker() {
    let memory = memory();
    let pipeline = pipeline();
    let process = |records: Vec<Record>| {
        let records = records.into_iter().map(Incoming::Record).collect();
        let report = pipeline.process(&memory, records, Timestamp::MAX).now_or_never();
        report.expect("memory never waits")
    };
    let revision = |number| {
        let document = StoredDocument { json: "{}".to_owned(), revision: number };
        memory.state().documents.insert("REV".to_owned(), document);
    };
    revision(7);
    assert!(process(vec![known("d1", 1)]).is_ok());
    revision(6);
    let open = process(unknown(20)).expect_err("an open breaker");
    assert_eq!(open.fault, "the registry is older than before: revision=`6` seen=`7`");
    revision(8);
    assert!(process(unknown(20)).is_ok());
}

fn check_closed(memory: &Memory, records: Vec<Record>, letters: usize) {
    process(memory, records);
    assert_eq!(memory.state().letters.len(), letters);
}

/// Otherwise whoever may write to a topic could hold up its partition with nonsense.
#[test]
fn unknown_records_become_letters_where_the_registry_is_well() {
    check_closed(&memory(), unknown(60), 60);
    let strangers = (0..60).map(|at| record("known", "nobody", "d1", at)).collect();
    check_closed(&memory(), strangers, 60);
}

#[test]
fn the_breaker_stays_closed_for_anything_less_than_a_batch_of_one_kind() {
    let wrong = || {
        let memory = memory();
        memory.state().documents.remove("REV");
        memory
    };
    check_closed(&wrong(), unknown(19), 19);
    let mut with_known = unknown(20);
    with_known.push(Record { value: None, ..known("d1", 20) });
    check_closed(&wrong(), with_known, 21);
    let mut mixed = unknown(19);
    mixed.push(record("known", "nobody", "d1", 19));
    check_closed(&wrong(), mixed, 20);
}

#[test]
fn a_registry_that_is_down_is_asked_once() {
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

/// Nobody can be named whom it belongs to, and nobody else is in its topic.
#[test]
fn a_route_that_cannot_be_read_holds_its_topic() {
    let memory = memory();
    memory.put_document("R#known", "no route");
    memory.put_document("R#other", r#"{"contract":"mine","tenant":{"header":"tenant"}}"#);
    let records = vec![known("d1", 1), record("other", "demo", "d1", 2)];
    assert_eq!(process(&memory, records), [Disposition::Returned, Disposition::Applied]);
}

fn buffered_tenants(memory: &Memory) -> Vec<String> {
    let state = memory.state();
    let tenant = |message: &crate::dead_letter::message::Message| {
        let envelope = Envelope::read(&message.body).expect("an envelope");
        assert_eq!(envelope.tenant, message.tenant.as_ref().map(ToString::to_string));
        envelope.tenant.expect("a tenant")
    };
    state.buffer.iter().map(tenant).collect()
}

/// Makes the heads of these devices unreadable, so that their subjects are unavailable.
fn break_heads(memory: &Memory, devices: &[&str]) {
    let scope = TenantScope::by_operator(TenantId::parse("demo").expect("a tenant"));
    for device in devices {
        let subject = SubjectId::parse(&format!("device/{device}")).expect("a subject");
        let head = crate::ledger::StoredHead { version: 1, bytes: vec![0xff] };
        memory.state().heads.insert(scope.subject(subject).partition_key(), head);
    }
}

#[test]
fn subjects_that_are_unavailable_wait_in_the_buffer_each_with_every_later_record() {
    let memory = memory();
    break_heads(&memory, &["d0", "d1", "d2"]);
    let mut records: Vec<Record> = ["d0", "d1", "d2", "d3"].map(|device| known(device, 1)).into();
    // Of an unreadable subject, what its guard rejects waits too, because it comes after one that waits.
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
    memory.state().faults = Box::new(|call| match call {
        Call::Head => Fault::Refused,
        _ => Fault::None,
    });
    let records = vec![known("d1", 1), record("known", "acme", "d1", 2)];
    assert_eq!(process(&memory, records), [Disposition::Returned; 2]);
    assert!(memory.state().buffer.is_empty());
}

/// The tenant `acme` with a table of its own, which fails in this way.
fn memory_with_broken_table(reason: Reason) -> Memory {
    let memory = memory();
    memory.put_document("T#acme", r#"{"id":"acme","placement":{"table":"acme-ledger"}}"#);
    memory.state().broken_tables.insert("acme-ledger".to_owned(), reason);
    memory
}

/// However many they are, and whoever else is in the batch.
#[test]
fn a_table_of_a_tenants_own_that_fails_sends_only_that_tenant_to_the_buffer() {
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

#[test]
fn a_table_that_failed_is_not_asked_again_by_subjects_that_had_not_begun() {
    let memory = memory_with_broken_table(Reason::Misconfigured);
    let asked = Arc::new(Calls::default());
    let counted = Arc::clone(&asked);
    memory.state().faults = Box::new(move |call| {
        let asks = u32::from(call == Call::Head);
        counted.0.fetch_add(asks, std::sync::atomic::Ordering::Relaxed);
        Fault::None
    });
    let records = (0..50).map(|at| record("known", "acme", &format!("d{at}"), at)).collect();
    process(&memory, records);
    assert_eq!(asked.count(), 1);
}

#[test]
fn a_record_that_neither_queue_takes_stays_with_its_source() {
    let memory = memory();
    break_heads(&memory, &["d0"]);
    memory.state().faults = Box::new(|call| match call {
        Call::Letter | Call::Buffer => Fault::Refused,
        _ => Fault::None,
    });
    let mut records: Vec<Record> = ["d0", "d1", "d2", "d3"].map(|device| known(device, 1)).into();
    records.push(Record { value: None, ..known("d1", 2) });
    let (back, applied) = (Disposition::Returned, Disposition::Applied);
    assert_eq!(process(&memory, records), [back, applied, applied, applied, back]);
}

/// Puts a record of demo into the buffer, changes the registry, and drains the buffer with a fresh
/// environment. Gives what became of the record, and of which tenant the letters are and why.
fn drain_after(change: impl FnOnce(&Memory)) -> (Disposition, Vec<(Option<String>, String)>) {
    let memory = memory();
    break_heads(&memory, &["d0"]);
    let all = ["d0", "d1", "d2", "d3"].map(|device| known(device, 1));
    process(&memory, all.into());
    memory.state().heads.clear();
    change(&memory);
    let waiting = std::mem::take(&mut memory.state().buffer);
    let buffered = waiting.iter().map(|message| {
        let received = Received { message_id: "m", body: &message.body, sent_at: None };
        let filing = read(&received, second(60)).expect("filed");
        let Filing { owner, letter, chunks } = filing;
        let Opened::Record(incoming) =
            open(&owner, &letter, &chunks[0].bytes, TopicRetention::WEEK)
        else {
            panic!("a record waits")
        };
        Buffered { owner: owner.tenant().cloned(), incoming }
    });
    let report = pipeline().drain(&memory, buffered.collect(), Timestamp::MAX).now_or_never();
    let report = report.expect("memory never waits").expect("a closed breaker");
    let state = memory.state();
    let letters = state.letters.iter().map(|message| {
        let envelope = Envelope::read(&message.body).expect("an envelope");
        (envelope.tenant, envelope.code)
    });
    let [disposition] = report.dispositions[..] else { panic!("one record waits") };
    if disposition != Disposition::Applied {
        assert!(state.heads.is_empty(), "nothing is in a ledger");
    }
    (disposition, letters.collect())
}

#[test]
fn a_record_that_waited_is_of_the_tenant_that_it_was_of_before() {
    assert_eq!(drain_after(|_| ()), (Disposition::Applied, Vec::new()));
    let (disposition, letters) = drain_after(|memory| {
        memory.put_document("R#known", r#"{"contract":"mine","tenant":{"const":"acme"}}"#);
    });
    assert_eq!(disposition, Disposition::DeadLettered(Code::TenantMismatch));
    let demo = |code: &str| vec![(Some("demo".to_owned()), code.to_owned())];
    assert_eq!(letters, demo("tenant_mismatch"), "the letter is its owner's");
}

/// Else the operator's replay would ask the route that comes later whose it is.
#[test]
fn the_letter_of_a_record_that_waited_is_its_owners_whatever_it_is_rejected_for() {
    let (_, letters) = drain_after(|memory| drop(memory.state().documents.remove("R#known")));
    assert_eq!(letters, [(Some("demo".to_owned()), "unknown_contract".to_owned())]);
    let (_, letters) = drain_after(|memory| drop(memory.state().documents.remove("T#demo")));
    assert_eq!(letters, [(Some("demo".to_owned()), "unknown_tenant".to_owned())]);
}

/// The route of a contract whose events may leave their time out: then it is that of receipt.
const UNTIMED: &str = r#"{
    "name": "untimed", "subject": {"kind": "device", "id": {"path": "/id"}},
    "type": {"const": "seen"}, "observed_at": {"path": "/at", "format": "epoch"},
    "without_time": "received", "payload": {"path": ""}
}"#;

/// What becomes of one record of a topic, stamped like this, that an invocation takes `now`; and the
/// times of the event where there is one.
fn taken(
    value: &str,
    timestamp: i64,
    now: Timestamp,
) -> (Disposition, Option<(Timestamp, Timestamp)>) {
    let memory = Memory::new(now);
    memory.put_document("T#demo", r#"{"id":"demo"}"#);
    memory.put_document("R#untimed", r#"{"contract":"untimed","tenant":{"const":"demo"}}"#);
    memory.put_document("C#untimed", UNTIMED);
    memory.put_document("REV", "{}");
    let value = base64_simd::STANDARD.encode_to_string(value);
    let event = format!(
        r#"{{"records":{{"untimed-0":[{{"topic":"untimed","partition":0,"offset":7,
            "timestamp":{timestamp},"value":"{value}"}}]}}}}"#
    );
    let receipt = Receipt { now, retention: TopicRetention::WEEK };
    let Decoded { records, .. } = decode(&event, receipt).expect("an event");
    let report = pipeline().process(&memory, records, Timestamp::MAX).now_or_never();
    let report = report.expect("memory never waits").expect("a closed breaker");
    let [disposition] = report.dispositions[..] else { panic!("one record") };
    let scope = TenantScope::by_operator(TenantId::parse("demo").expect("a tenant"));
    let subject = SubjectId::parse("device/d1").expect("a subject");
    let home = Home { key: scope.subject(subject), table: None };
    let question = crate::ledger::read::Question::History { from: None, to: None };
    let read =
        crate::subject::reader::read(&memory, &home, question).now_or_never().expect("ready");
    let cut = read.expect("available").0;
    let times = cut.and_then(|cut| {
        cut.entries().next().map(|entry| (entry.position.observed_at, entry.ingested_at))
    });
    (disposition, times)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_good_event_is_applied_whatever_its_record_is_stamped(
        timestamp in prop_oneof![
            any::<i64>(),
            Just(0), Just(NOW), Just(NOW * 1_000_000),
            // Plausible ones, and their neighbours.
            (NOW - 700_000) * 1_000..(NOW + 400) * 1_000,
        ],
    ) {
        let now = second(0);
        let stamp = Timestamp::from_millis(timestamp).filter(|stamp| *stamp <= now);
        let oldest = now.plus_seconds(-8 * 24 * 60 * 60);
        let observed = stamp.filter(|stamp| *stamp >= oldest).unwrap_or(now).whole_seconds();
        let value = format!(r#"{{"id":"d1","at":{observed}}}"#);
        let (disposition, times) = taken(&value, timestamp, now);
        prop_assert_eq!(disposition, Disposition::Applied);
        let (observed_at, ingested_at) = times.expect("an event");
        prop_assert_eq!(observed_at.whole_seconds(), observed);
        prop_assert!((oldest..=now).contains(&ingested_at));
    }

    /// An event without a time of its own is where its timestamp says, or nowhere: never at a time
    /// that the next delivery would not repeat, and never at one that cannot be true.
    #[test]
    fn an_event_without_time_is_where_every_delivery_puts_it(
        timestamp in prop_oneof![
            any::<i64>(),
            Just(-1), Just(0), Just(NOW), Just(NOW * 1_000_000),
            (NOW - 700_000) * 1_000..(NOW + 400) * 1_000,
        ],
        later in 0..2_000_000_i64,
    ) {
        let mut positions = std::collections::BTreeSet::new();
        for now in [second(0), second(later)] {
            let (disposition, times) = taken(r#"{"id":"d1"}"#, timestamp, now);
            match times {
                Some((observed_at, ingested_at)) => {
                    prop_assert_eq!(disposition, Disposition::Applied);
                    prop_assert_eq!(Some(observed_at), Timestamp::from_millis(timestamp));
                    prop_assert!(ingested_at <= now && ingested_at <= observed_at);
                    prop_assert!(observed_at >= now.plus_seconds(-8 * 24 * 60 * 60));
                    positions.insert(observed_at);
                }
                None => {
                    prop_assert_eq!(disposition, Disposition::DeadLettered(Code::MissingField));
                }
            }
        }
        prop_assert!(positions.len() <= 1);
    }
}
