//! Tests of the circuit breaker: when it opens, and when the records become letters.

use super::*;
use crate::intake::document::StoredDocument;

fn check_open(memory: &Faulty<Memory>, records: Vec<Record>, code: Code, fault: &str) {
    let open = try_process(memory, records).expect_err("an open breaker");
    assert_eq!((open.code, open.fault.as_str()), (code, fault));
    let state = memory.state();
    assert!(state.letters.is_empty() && state.buffer.is_empty() && state.heads.is_empty());
}

#[test]
fn twenty_unknown_records_open_the_breaker_if_the_registry_has_no_revision() {
    let memory = memory();
    memory.state().documents.remove("REV");
    let none = "the registry has no revision document";
    check_open(&memory, unknown(20), Code::UnknownContract, none);
    let strangers = (0..20).map(|at| record("known", "nobody", "d1", at)).collect();
    check_open(&memory, strangers, Code::UnknownTenant, none);
}

#[test]
fn a_registry_with_an_older_revision_than_before_opens_the_breaker() {
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
    // The cache expires after a minute. Reading the older revision must not lower the highest known one.
    memory.state().now = second(200);
    assert!(process(vec![known("d1", 150)]).is_ok());
    let open = process(unknown(20)).expect_err("an open breaker");
    assert_eq!(open.fault, "the registry is older than before: revision=`6` seen=`7`");
    revision(8);
    assert!(process(unknown(20)).is_ok());
}

fn check_closed(memory: &Faulty<Memory>, records: Vec<Record>, letters: usize) {
    process(memory, records);
    assert_eq!(memory.state().letters.len(), letters);
}

/// Otherwise any producer of a topic could block a partition with invalid records.
#[test]
fn unknown_records_become_letters_if_the_registry_is_healthy() {
    check_closed(&memory(), unknown(60), 60);
    let strangers = (0..60).map(|at| record("known", "nobody", "d1", at)).collect();
    check_closed(&memory(), strangers, 60);
}

#[test]
fn the_breaker_stays_closed_for_a_small_or_mixed_batch() {
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
