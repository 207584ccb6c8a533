//! Every file of `events/` has the result of its expectation: delivered once, twice, and record by
//! record.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a failed expectation ends its test"
)]

use std::collections::{BTreeMap, BTreeSet};

use drover_core::intake::contract::BUILTINS;
use drover_core::memory::Fault;
use drover_processor::Failed;
use drover_tests::golden::{all_end_as_expected, none_differ};
use drover_tests::processor::{Host, returned};
use drover_tests::situation::{self, Before, difference, functions, without_partner};
use serde_json::{Value, json};

type Situation = situation::Situation<Host>;

/// Every nameable record, as Lambda names it, and the number of the others.
fn identifiers(event: &str) -> (BTreeSet<(String, i64)>, usize) {
    let event: Value = serde_json::from_str(event).expect("JSON");
    let records = event["records"].as_object().into_iter().flatten();
    let records = records.flat_map(|(partition, records)| {
        records.as_array().into_iter().flatten().map(move |record| (partition, record))
    });
    let (mut named, mut unnamed) = (BTreeSet::new(), 0);
    for (partition, record) in records {
        match record["offset"].as_i64() {
            Some(offset) => assert!(named.insert((partition.clone(), offset)), "twice: {offset}"),
            None => unnamed += 1,
        }
    }
    (named, unnamed)
}

/// The same event, split into one event per record.
fn one_by_one(event: &str) -> Vec<String> {
    let event: Value = serde_json::from_str(event).expect("JSON");
    let mut events = Vec::new();
    for (partition, records) in event["records"].as_object().into_iter().flatten() {
        for record in records.as_array().into_iter().flatten() {
            let mut one = event.clone();
            one["records"] = json!({partition: [record]});
            events.push(one.to_string());
        }
    }
    events
}

/// The part of the outcome that does not depend on the number of commits.
fn content(mut outcome: Value) -> Value {
    for (_, subject) in outcome["subjects"].as_object_mut().into_iter().flatten() {
        for key in ["epoch", "pages"] {
            subject.as_object_mut().expect("a subject").remove(key);
        }
    }
    outcome
}

#[test]
fn every_event_has_an_expectation_and_every_expectation_an_event() {
    let alone: Vec<String> = functions().iter().flat_map(|name| without_partner(name)).collect();
    assert!(alone.is_empty(), "{}", alone.join("\n"));
}

#[test]
fn every_built_in_contract_has_an_event() {
    let names: BTreeSet<String> = Situation::all().into_iter().map(|one| one.name).collect();
    for (contract, _) in BUILTINS {
        let name = format!("contract-{contract}");
        assert!(names.contains(&name), "events/processor/{name}.json is missing");
    }
}

#[test]
fn no_two_situations_share_a_subject_unless_one_precedes_the_other() {
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    for Situation { name, given, expect, .. } in Situation::all() {
        let first = match given.before.first() {
            Some(Before::Situation(first)) => first.clone(),
            _ => name,
        };
        for subject in expect.subjects.keys() {
            let owner = owners.entry(subject.clone()).or_insert_with(|| first.clone());
            assert_eq!(*owner, first, "both have {subject}");
        }
    }
}

#[tokio::test]
async fn every_situation_ends_as_expected() {
    all_end_as_expected::<Host>().await;
    for one in Situation::all() {
        let (answer, _) = one.play().await;
        assert!(returned(&answer).is_subset(&identifiers(&one.event).0), "{}", one.name);
    }
}

#[tokio::test]
async fn a_second_and_a_third_delivery_change_nothing() {
    let mut differences = Vec::new();
    for one in Situation::all() {
        let mut host = one.prepared().await;
        let answer = host.deliver(&one.event).await;
        let (mut first, ids) = (host.outcome(answer).await, host.letter_ids());
        // The first delivery may leave entries to be sealed, so pages may be added.
        for restart in [false, true] {
            if restart {
                host.restart();
            }
            let answer = host.deliver(&one.event).await;
            let mut again = host.outcome(answer).await;
            // A letter may be sent again; it is then the same letter.
            again["letters"] = first["letters"].clone();
            for outcome in [&mut first, &mut again] {
                for (_, subject) in outcome["subjects"].as_object_mut().into_iter().flatten() {
                    subject["pages"] = Value::Null;
                }
            }
            differences.push((one.name.clone(), difference(&first, &again)));
            assert_eq!(host.letter_ids(), ids, "{}", one.name);
        }
    }
    none_differ::<Host>(differences);
}

#[tokio::test]
async fn delivery_record_by_record_gives_the_same_history_views_and_letters() {
    let mut differences = Vec::new();
    for one in Situation::all().into_iter().filter(|one| one.expect.error.is_none()) {
        let host = one.prepared().await;
        let whole = host.deliver(&one.event).await;
        let mut whole = content(host.outcome(whole).await);
        let host = one.prepared().await;
        for event in one_by_one(&one.event) {
            let answer = host.deliver(&event).await;
            assert_eq!(returned(&answer), BTreeSet::new(), "{}", one.name);
        }
        let mut single = content(host.outcome(Ok(Default::default())).await);
        for outcome in [&mut whole, &mut single] {
            let letters = outcome["letters"].as_array_mut().expect("letters");
            letters.sort_by_key(Value::to_string);
        }
        differences.push((one.name, difference(&whole, &single)));
    }
    none_differ::<Host>(differences);
}

#[tokio::test]
async fn with_nothing_available_every_record_comes_back_and_no_other() {
    for one in Situation::all() {
        let host = one.host();
        host.fail(|_| Fault::Refused);
        let answer = host.deliver(&one.event).await;
        let (named, unnamed) = identifiers(&one.event);
        match answer {
            Err(Failed::NotAnEvent(_)) => assert_eq!((named.len(), unnamed), (0, 0)),
            Err(Failed::Unnamed(count)) => assert_eq!(count, unnamed, "{}", one.name),
            answer => {
                assert_eq!((returned(&answer), unnamed), (named, 0), "{}", one.name);
            }
        }
        let state = host.memory().state();
        assert_eq!((state.heads.len(), state.letters.len(), state.buffer.len()), (0, 0, 0));
    }
}
