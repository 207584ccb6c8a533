//! Tests of records with several events or with no event.

use super::*;
use crate::base::metrics::Metric;

/// `items` are the elements; `n` of an item is a number.
const SEVERAL: &str = r#"{
    "name": "several", "subject": {"kind": "device", "id": {"path": "/id"}},
    "transform": ".items[] | if .n | type == \"number\" then . else error(\"no number\") end",
    "type": {"const": "seen"}, "observed_at": {"path": "/at", "format": "epoch"},
    "payload": {"path": ""}
}"#;
/// The same contract, but `n` may have any type.
const MENDED: &str = r#"{
    "name": "several", "subject": {"kind": "device", "id": {"path": "/id"}},
    "transform": ".items[]",
    "type": {"const": "seen"}, "observed_at": {"path": "/at", "format": "epoch"},
    "payload": {"path": ""}
}"#;

fn several_memory() -> Faulty<Memory> {
    let memory = memory();
    memory.put_document("R#several", r#"{"contract":"several","tenant":{"header":"tenant"}}"#);
    memory.put_contract("several", SEVERAL);
    memory
}

/// A record with these items: pairs of a device and a value of `n`.
fn several(at: i64, items: &[(&str, &str)]) -> Record {
    let at_all = NOW + at;
    let items = items.iter().map(|(id, n)| format!(r#"{{"id":"{id}","at":{at_all},"n":{n}}}"#));
    let value = format!(r#"{{"items":[{}]}}"#, items.collect::<Vec<_>>().join(","));
    Record { value: Some(value.into_bytes()), ..record("several", "demo", "", at) }
}

fn report(memory: &Faulty<Memory>, records: Vec<Record>) -> Report {
    let records = records.into_iter().map(Incoming::Record).collect();
    let report = pipeline().process(memory, records, Timestamp::MAX).now_or_never();
    report.expect("memory never waits").expect("a closed breaker")
}

#[test]
fn a_bad_element_never_costs_a_good_element() {
    let memory = several_memory();
    let items = [("d1", "1"), ("d2", "\"secret\""), ("d\\t3", "3"), ("d1", "4")];
    let report = report(&memory, vec![several(1, &items), known("d9", 2)]);
    let letters = Disposition::DeadLettered(Code::TransformFailed);
    assert_eq!(report.dispositions, [letters, Disposition::Applied]);
    assert!((report.tally.total(Metric::MessagesProcessed) - 2.0).abs() < f64::EPSILON);
    assert!((report.tally.total(Metric::EventsProcessed) - 3.0).abs() < f64::EPSILON);
    let letters = envelopes(&memory.state().letters);
    let found: Vec<_> = letters
        .iter()
        .map(|letter| (letter.source.element(), letter.code.as_str(), letter.message.as_str()))
        .collect();
    assert_eq!(found[0], (Some(1), "transform_failed", "the transform failed: no number"));
    assert_eq!((found.len(), found[1].0, found[1].1), (2, Some(2), "invalid_id"));
    let whole = several(1, &items);
    for letter in &letters {
        let kept = letter.record().expect("readable").expect("whole");
        assert_eq!(kept.value, whole.value, "a letter contains the whole record");
    }
    assert_ne!(letters[0].id, letters[1].id);
}

#[test]
fn a_replayed_letter_commits_its_own_element_only() {
    let memory = several_memory();
    process(&memory, vec![several(1, &[("d1", "1"), ("d1", "null"), ("d1", "3")])]);
    assert_eq!(events(&memory), 2);
    memory.put_contract("several", MENDED);
    let letter = envelopes(&memory.state().letters).remove(0);
    let again = letter.record().expect("readable").expect("whole");
    assert_eq!(process(&memory, vec![again.clone()]), [Disposition::Applied]);
    assert_eq!(process(&memory, vec![again.clone()]), [Disposition::Duplicate]);
    assert_eq!(events(&memory), 3);
    // All elements of the whole record are in the history.
    let whole = several(1, &[("d1", "1"), ("d1", "null"), ("d1", "3")]);
    assert_eq!(process(&memory, vec![whole]), [Disposition::Duplicate]);
    // An element that the transform no longer returns is ignored.
    let gone = again.with_element(7);
    assert_eq!(process(&memory, vec![gone]), [Disposition::Ignored]);
    memory.put_contract("several", &MENDED.replace(r#""transform": ".items[]","#, ""));
    let other = known("d1", 1).with_element(1);
    assert_eq!(process(&memory, vec![other]), [Disposition::Ignored]);
    assert_eq!(process(&memory, vec![known("d1", 1).with_element(0)]), [Disposition::Applied]);
}

#[test]
fn a_program_that_gives_nothing_but_an_error_rejects_all_of_its_record() {
    let memory = several_memory();
    let record = several(1, &[("d1", "1"), ("d2", "2")]);
    let broken = SEVERAL.replace("\".items[] |", "\".things[] |");
    memory.put_contract("several", &broken);
    let letter = Disposition::DeadLettered(Code::TransformFailed);
    assert_eq!(process(&memory, vec![record]), [letter]);
    let letter = envelopes(&memory.state().letters).remove(0);
    assert_eq!(letter.source.element(), None);
    memory.put_contract("several", SEVERAL);
    let again = letter.record().expect("readable").expect("whole");
    assert_eq!(process(&memory, vec![again]), [Disposition::Applied]);
    assert_eq!(events(&memory), 2);
}

#[test]
fn a_record_without_elements_is_ignored_and_counted() {
    let memory = several_memory();
    let report = report(&memory, vec![several(1, &[]), several(2, &[("d1", "1")])]);
    assert_eq!(report.dispositions, [Disposition::Ignored, Disposition::Applied]);
    assert!((report.tally.total(Metric::RecordsIgnored) - 1.0).abs() < f64::EPSILON);
    let state = memory.state();
    assert!(state.letters.is_empty() && state.buffer.is_empty());
}

#[test]
fn only_the_element_of_an_unavailable_subject_waits_in_the_buffer() {
    let memory = several_memory();
    break_heads(&memory, &["d1"]);
    let record = several(1, &[("d0", "1"), ("d1", "2"), ("d2", "3")]);
    assert_eq!(process(&memory, vec![record]), [Disposition::Buffered]);
    let waiting = envelopes(&memory.state().buffer);
    assert_eq!(waiting.iter().map(|one| one.source.element()).collect::<Vec<_>>(), [Some(1)]);
    let key = |device: &str| {
        let scope = TenantScope::by_operator(TenantId::parse("demo").expect("a tenant"));
        scope.subject(SubjectId::parse(&format!("device/{device}")).expect("one")).partition_key()
    };
    memory.state().heads.remove(&key("d1"));
    let again = waiting[0].record().expect("readable").expect("whole");
    let buffered = Buffered { owner: None, incoming: Incoming::Record(again) };
    let report = pipeline().drain(&memory, vec![buffered], Timestamp::MAX).now_or_never();
    let report = report.expect("memory never waits").expect("a closed breaker");
    assert_eq!(report.dispositions, [Disposition::Applied]);
    assert!((report.tally.total(Metric::EventsProcessed) - 1.0).abs() < f64::EPSILON);
    assert_eq!(events(&memory), 3);
}

#[test]
fn a_record_is_returned_if_one_of_its_elements_is_returned() {
    let memory = several_memory();
    memory.fail(|call| if call == Call::Letter { Fault::Refused } else { Fault::None });
    let record = several(1, &[("d1", "1"), ("d1", "null")]);
    assert_eq!(process(&memory, vec![record.clone()]), [Disposition::Returned]);
    memory.fail(|_| Fault::None);
    let letters = Disposition::DeadLettered(Code::TransformFailed);
    assert_eq!(process(&memory, vec![record]), [letters]);
    assert_eq!(events(&memory), 1);
}

/// Each letter of a bad element contains the whole record. A large record with many bad elements gets one
/// letter, so that its copies do not fill the queue.
#[test]
fn a_large_record_with_many_bad_elements_becomes_one_letter() {
    let memory = several_memory();
    let text = format!("\"{}\"", "x".repeat(1_000));
    let mut items = vec![("d1", text.as_str()); 150];
    items[70] = ("d1", "1");
    let record = several(1, &items);
    assert_eq!(process(&memory, vec![record]), [Disposition::DeadLettered(Code::TransformFailed)]);
    assert_eq!(events(&memory), 1);
    let letters = envelopes(&memory.state().letters);
    assert_eq!((letters.len(), letters[0].source.element()), (1, None));
    memory.put_contract("several", MENDED);
    let again = letters[0].record().expect("readable").expect("whole");
    assert_eq!(process(&memory, vec![again]), [Disposition::Applied]);
    assert_eq!(events(&memory), 150);
}

#[test]
fn a_record_with_too_many_elements_becomes_one_letter() {
    let memory = several_memory();
    let record = several(1, &vec![("d1", "1"); 1_001]);
    let letters = Disposition::DeadLettered(Code::TooLarge);
    assert_eq!(process(&memory, vec![record]), [letters]);
    assert_eq!(events(&memory), 0);
    assert_eq!(envelopes(&memory.state().letters)[0].source.element(), None);
}
