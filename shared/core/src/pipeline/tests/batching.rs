//! Records of several elements, with a sequence, in any order, in any batches, and delivered again: histories
//! and letters are the same as after one delivery in one batch.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::ledger::read::Question;
use crate::ports::SubjectLocation;
use crate::subject::reader;

const DEVICES: [&str; 2] = ["d0", "d1"];

/// Elements of one record share its time of observation, so the sequence orders them. An element is bad if
/// its `n` is no number; `skip` elements and records without items are ignored.
const SEQUENCED: &str = r#"{
    "name": "sequenced", "subject": {"kind": "device", "id": {"path": "/id"}},
    "transform": [
        ". as $record",
        "| .items[]",
        "| { at: $record.at } + .",
        "| if (.n | type) == \"number\" or .skip then . else error(\"no number\") end"
    ],
    "ignore": [{"path": "/skip", "in": [true]}],
    "type": {"const": "seen"}, "observed_at": {"path": "/at", "format": "epoch"},
    "sequence": {"path": "/turn"}, "payload": {"path": ""}, "measures": [{"name": "n", "path": "/n"}]
}"#;

/// An item of a record: device, sequence, and what it is.
type Item = (usize, u8, What);

#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    Good,
    Bad,
    Skipped,
}

/// A record: its time of observation in seconds after [`NOW`], and its items.
type Drawn = (u8, Vec<Item>);

fn a_record() -> impl Strategy<Value = Drawn> {
    let what = prop_oneof![5 => Just(What::Good), 1 => Just(What::Bad), 1 => Just(What::Skipped)];
    (0_u8..3, prop::collection::vec((0..DEVICES.len(), 0_u8..3, what), 0..6))
}

fn drawn(at: usize, (second, items): &Drawn) -> Record {
    let items = items.iter().map(|(device, turn, what)| {
        let n = if *what == What::Bad { json!("secret") } else { json!(at) };
        json!({"id": DEVICES[*device], "turn": turn, "n": n, "skip": *what == What::Skipped})
    });
    let items: Vec<Value> = items.collect();
    let value = json!({"at": NOW + i64::from(*second), "number": at, "items": items}).to_string();
    let offset = i64::try_from(at).expect("few");
    Record { value: Some(value.into_bytes()), ..record("sequenced", "demo", "", offset) }
}

/// What records left behind: histories with their views, and the ids of the letters with their elements.
type Left = (BTreeMap<&'static str, Value>, BTreeSet<(String, Option<u32>)>);

/// Delivers batches of records, by their index.
fn delivered(records: &[Record], batches: &[Vec<usize>]) -> Left {
    let memory = memory();
    memory.put_document("R#sequenced", r#"{"contract":"sequenced","tenant":{"header":"tenant"}}"#);
    memory.put_contract("sequenced", SEQUENCED);
    for batch in batches {
        let dispositions = process(&memory, batch.iter().map(|at| records[*at].clone()).collect());
        assert!(!dispositions.contains(&Disposition::Returned));
    }
    assert!(memory.state().buffer.is_empty());
    let letters = envelopes(&memory.state().letters);
    let letters = letters.into_iter().map(|letter| (letter.id, letter.source.element()));
    let histories = DEVICES.map(|device| (device, history(&memory, device)));
    (histories.into(), letters.collect())
}

fn history(memory: &Faulty<Memory>, device: &str) -> Value {
    let scope = TenantScope::by_operator(TenantId::parse("demo").expect("a tenant"));
    let subject = SubjectId::parse(&format!("device/{device}")).expect("a subject");
    let location = SubjectLocation { key: scope.subject(subject), table: None };
    let all = Question::History { from: None, to: None };
    let read = reader::read(memory, &location, all).now_or_never().expect("memory never waits");
    let Some(history) = read.expect("readable").0 else { return Value::Null };
    let entries = history.entries().map(|entry| {
        let position = &entry.position;
        json!([
            position.observed_at,
            position.sequence,
            position.event_id.as_str(),
            &*entry.payload
        ])
    });
    json!(entries.collect::<Vec<_>>())
}

/// Each record as often as it is drawn and at least once, in batches of these sizes.
fn batches(order: &[prop::sample::Index], sizes: &[usize], count: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = order.iter().map(|pick| pick.index(count)).collect();
    order.extend((0..count).rev());
    let mut batches = Vec::new();
    for size in sizes.iter().cycle() {
        if order.is_empty() {
            return batches;
        }
        batches.push(order.split_off(order.len().saturating_sub(*size)));
    }
    batches
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn batches_order_and_redelivery_change_neither_histories_nor_letters(
        drawn_records in prop::collection::vec(a_record(), 1..8),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..16),
        sizes in prop::collection::vec(1_usize..5, 1..6),
    ) {
        let records: Vec<Record> =
            drawn_records.iter().enumerate().map(|(at, one)| drawn(at, one)).collect();
        let at_once = delivered(&records, &[(0..records.len()).collect()]);
        let batches = batches(&order, &sizes, records.len());
        prop_assert_eq!(delivered(&records, &batches), at_once.clone());
        let items = || drawn_records.iter().flat_map(|(_, items)| items);
        let good = items().filter(|(_, _, what)| *what == What::Good).count();
        let bad = items().filter(|(_, _, what)| *what == What::Bad).count();
        let (histories, letters) = at_once;
        let events = histories.values().map(|history| history.as_array().map_or(0, Vec::len));
        prop_assert_eq!((events.sum::<usize>(), letters.len()), (good, bad));
    }
}

#[test]
fn the_sequence_orders_elements_of_one_time() {
    let items = [(0, 2, What::Good), (0, 0, What::Good), (0, 1, What::Bad), (0, 1, What::Good)];
    let (histories, letters) = delivered(&[drawn(0, &(0, items.into()))], &[vec![0]]);
    let turns = histories["d0"].as_array().expect("a history").iter().map(|entry| &entry[1]);
    assert_eq!(json!(turns.collect::<Vec<_>>()), json!([0, 1, 2]));
    let elements: Vec<Option<u32>> = letters.into_iter().map(|(_, element)| element).collect();
    assert_eq!(elements, [Some(2)]);
}
