//! Tests of forgetting, with writers whose caches still contain the forgotten head.

mod letters;

use std::sync::Arc;

use futures_util::FutureExt as _;

use super::*;
use crate::base::error::Code;
use crate::base::id::{SubjectId, SubjectKey, TenantId};
use crate::base::limits::ItemLimits;
use crate::base::scope::TenantScope;
use crate::base::time::Timestamp;
use crate::intake::record::{Incoming, Record, Source};
use crate::ledger::codec::decode_page;
use crate::ledger::range_read::{HistoryRange, Order, Portion};
use crate::ledger::read::Question;
use crate::memory::{Call, Fault, Faulty, Memory};
use crate::pipeline::cache::HeadCache;
use crate::pipeline::{Disposition, Pipeline};
use crate::registry::Registry;
use crate::subject::reader;
use crate::view::Specs;

const CONTRACT: &str = r#"{
    "name": "mine", "subject": {"kind": "device", "id": {"path": "/id"}},
    "type": {"const": "seen"}, "observed_at": {"path": "/at", "format": "epoch"},
    "payload": {"path": ""}
}"#;
const NOW: i64 = 1_800_000_000;
/// So small that a few events fill pages.
const SHAPE: ItemLimits = ItemLimits {
    slice_bytes: 2_000,
    head_target_bytes: 300,
    keep_entries: 2,
    keep_bytes: 200,
    page_bytes: 300,
    ..ItemLimits::STANDARD
};

fn second(at: i64) -> Timestamp {
    Timestamp::from_micros(NOW * 1_000_000).expect("in range").plus_seconds(at)
}

fn memory() -> Faulty<Memory> {
    let memory = Faulty::over(Memory::new(second(10_000)));
    for (key, json) in [
        ("T#demo", r#"{"id":"demo"}"#),
        ("R#known", r#"{"contract":"mine","tenant":{"const":"demo"}}"#),
        ("REV", "{}"),
    ] {
        memory.put_document(key, json);
    }
    memory.put_contract("mine", CONTRACT);
    memory
}

/// A warm environment.
fn environment() -> Pipeline {
    Pipeline {
        registry: Registry::new(),
        heads: HeadCache::new(1 << 20),
        item_limits: SHAPE,
        concurrency: 1,
    }
}

fn location() -> SubjectLocation {
    let scope = TenantScope::by_operator(TenantId::parse("demo").expect("a tenant"));
    let subject = SubjectId::parse("device/d1").expect("a subject");
    SubjectLocation { key: scope.subject(subject), table: None }
}

fn record(at: i64) -> Incoming {
    record_with(at, &format!("{:040}", at * 7_919))
}

fn record_with(at: i64, note: &str) -> Incoming {
    let stamp = second(at);
    let source = Source::Kafka {
        topic: Arc::from("known"),
        partition: 0,
        offset: at,
        timestamp: Some(stamp.micros() / 1_000),
        element: None,
    };
    let value = format!(r#"{{"id":"d1","at":{},"note":"{note}"}}"#, NOW + at);
    Incoming::Record(Record {
        source,
        key: None,
        value: Some(value.into_bytes()),
        headers: Vec::new(),
        received_at: Some(stamp),
        ingested_at: stamp,
    })
}

fn send(environment: &Pipeline, memory: &Faulty<Memory>, seconds: &[i64]) -> Vec<Disposition> {
    let records = seconds.iter().map(|at| record(*at)).collect();
    let report = environment.process(memory, records, Timestamp::MAX).now_or_never();
    report.expect("memory never waits").expect("a closed breaker").dispositions
}

/// Sends events in order, each in its own invocation.
fn send_each(
    environment: &Pipeline,
    memory: &Faulty<Memory>,
    seconds: impl IntoIterator<Item = i64>,
) {
    for at in seconds {
        assert_eq!(send(environment, memory, &[at]), [Disposition::Applied], "{at}");
    }
}

fn forgotten(memory: &Faulty<Memory>) -> Option<usize> {
    let erased = forget(memory, &location()).now_or_never().expect("memory never waits");
    erased.expect("available").map(|erased| usize::try_from(erased.pages).expect("few"))
}

/// The seconds of all events. Checks that all kinds of reads agree.
fn history(memory: &Faulty<Memory>) -> Option<Vec<i64>> {
    let seconds = |micros: i64| micros / 1_000_000 - NOW;
    let whole = Question::History { from: None, to: None };
    let snapshot =
        reader::read(memory, &location(), whole).now_or_never().expect("ready").expect("a cut").0;
    let read: Option<Vec<i64>> = snapshot.map(|snapshot| {
        snapshot.entries().map(|entry| seconds(entry.position.observed_at.micros())).collect()
    });
    for order in [Order::Ascending, Order::Descending] {
        let (mut beyond, mut all) = (None, Vec::new());
        while let Some(portion) = portion(memory, order, None, beyond.take()) {
            let positions = portion.entries.iter().map(|entry| &entry.position);
            all.extend(positions.map(|position| seconds(position.observed_at.micros())));
            beyond = portion.next;
            if beyond.is_none() {
                break;
            }
        }
        if order == Order::Descending {
            all.reverse();
        }
        assert_eq!(all, read.clone().unwrap_or_default(), "{order:?}");
    }
    read
}

/// Reads at most one event.
fn portion(
    memory: &Faulty<Memory>,
    order: Order,
    to: Option<Timestamp>,
    beyond: Option<Position>,
) -> Option<Portion> {
    let (from, event_type) = (None, None);
    let range = HistoryRange { order, from, to, beyond, event_type, entries: 1, bytes: 1_000 };
    let portion = reader::range(memory, &location(), range).now_or_never().expect("ready");
    portion.expect("a portion").0
}

fn page_seconds(memory: &Faulty<Memory>) -> Vec<i64> {
    let state = memory.state();
    let pages = state.pages.values().map(|write| decode_page(&write.page.bytes).expect("a page"));
    pages.filter_map(|page| Some(page.key()?.observed_at.micros() / 1_000_000 - NOW)).collect()
}

#[test]
fn a_forgotten_subject_does_not_exist_until_a_newer_event_arrives() {
    let (memory, environment) = (memory(), environment());
    assert_eq!(forgotten(&memory), None, "nothing was ever written");
    send_each(&environment, &memory, 1..=60);
    let version = memory.state().heads.values().next().expect("a head").version;
    let pages = memory.state().pages.len();
    assert!(pages > 2);
    assert_eq!(forgotten(&memory), Some(pages));
    assert!(memory.state().pages.is_empty());
    assert!(memory.state().activity.is_empty(), "no listing contains the subject");
    assert_eq!(history(&memory), None);
    assert_eq!(forgotten(&memory), Some(0), "again");
    assert_eq!(memory.state().heads.values().next().expect("a head").version, version + 1);

    let late = Disposition::DeadLettered(Code::BeyondRetention);
    assert_eq!(send(&environment, &memory, &[30, 60, 61]), [late, late, Disposition::Applied]);
    assert_eq!(history(&memory), Some(vec![61]));
    assert_eq!(memory.state().activity.len(), 1);
}

/// A writer has a stale head of each version from before, some with entries to seal, and the new history has
/// reached different versions. If versions restarted, a stale head would match its own version again.
#[test]
fn a_stale_head_neither_restores_nor_deletes_events() {
    for known in 1..=20_i64 {
        let memory = memory();
        let (writer, stale) = (environment(), environment());
        send_each(&stale, &memory, 1..=known);
        send_each(&writer, &memory, known + 1..=20);
        forgotten(&memory).expect("a subject");
        send_each(&writer, &memory, 101..=100 + known);
        send_each(&stale, &memory, 201..=203);
        send_each(&writer, &memory, 301..=330);
        let expected: Vec<i64> = (101..=100 + known).chain(201..=203).chain(301..=330).collect();
        assert_eq!(history(&memory), Some(expected.clone()), "stale since {known}");
        for (to, order) in (1..=20).flat_map(|to| [(to, Order::Ascending), (to, Order::Descending)])
        {
            let portion = portion(&memory, order, Some(second(to)), None).expect("a subject");
            assert!(portion.entries.is_empty(), "{to} {order:?}");
        }
        // Late events before and after the position of forgetting, where the stale writer may have left
        // pages.
        let late = Disposition::DeadLettered(Code::BeyondRetention);
        assert_eq!(
            send(&writer, &memory, &[3, 99, 100]),
            [late, Disposition::Applied, Disposition::Applied]
        );
        let live = reader::read(&memory, &location(), Question::Live).now_or_never();
        let live = live.expect("ready").expect("a cut").0.expect("a subject");
        let count = live.live(&Specs::default()).event_count;
        assert_eq!(count, expected.len() as u64 + 2);
        let as_of = |at| {
            let snapshot =
                reader::read(&memory, &location(), Question::AsOf(second(at))).now_or_never();
            let snapshot = snapshot.expect("ready").expect("a cut").0.expect("a subject");
            snapshot.as_of(second(at), &Specs::default()).map(|view| view.event_count)
        };
        let on_the_way = u64::try_from(known).expect("small") + 2;
        assert_eq!((as_of(10), as_of(150)), (None, Some(on_the_way)));
    }
}

/// Also shows that stale writers do seal pages; the test above depends on it.
#[test]
fn a_page_that_a_stale_writer_seals_is_deleted_the_next_time() {
    let left = (1..=20).filter(|known| {
        let memory = memory();
        let stale = environment();
        send_each(&stale, &memory, 1..=*known);
        forgotten(&memory).expect("a subject");
        send_each(&stale, &memory, [101]);
        let left = page_seconds(&memory).iter().any(|at| *at <= 20);
        forgotten(&memory).expect("a subject");
        assert_eq!((page_seconds(&memory), history(&memory)), (Vec::new(), None));
        left
    });
    assert!(left.count() > 0);
}

#[test]
fn a_repeated_call_finishes_an_interrupted_call() {
    for (failing, fault) in [
        (Call::Write, Fault::LostBefore),
        (Call::Write, Fault::LostAfter),
        (Call::Erase, Fault::Refused),
    ] {
        let (memory, environment) = (memory(), environment());
        send_each(&environment, &memory, 1..=40);
        let mut armed = true;
        memory.fail(move |call| {
            let is_it = armed && call == failing;
            armed &= !is_it;
            if is_it { fault } else { Fault::None }
        });
        let first = forget(&memory, &location()).now_or_never().expect("ready");
        assert_eq!(first.is_err(), failing == Call::Erase);
        if first.is_err() {
            assert_eq!(history(&memory), None, "nothing refers to the remaining pages");
            assert!(forgotten(&memory).is_some_and(|pages| pages > 0));
        }
        assert!(memory.state().pages.is_empty());
        assert_eq!(history(&memory), None);
        assert_eq!(memory.state().heads.values().next().expect("a head").version, 41);
    }
}

/// The head of a correction is visible before all of its pages.
#[test]
fn pages_that_become_visible_late_are_deleted_as_well() {
    for calls in 1..=6 {
        let (memory, environment) = (memory(), environment());
        send_each(&environment, &memory, 1..=60);
        memory.state().pages_late = Some(calls);
        let late = record_with(5, "late");
        let report = environment.process(&memory, vec![late], Timestamp::MAX).now_or_never();
        let report = report.expect("memory never waits").expect("a closed breaker");
        assert_eq!(report.dispositions, [Disposition::Applied]);
        forgotten(&memory).expect("a subject");
        memory.state().show_pages();
        assert_eq!((page_seconds(&memory), history(&memory)), (Vec::new(), None), "{calls}");
    }
}
