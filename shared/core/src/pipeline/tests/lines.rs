//! Facts about records that are lines, on a topic whose route says so.

use super::*;

fn lines_memory(contract: &str) -> Faulty<Memory> {
    let memory = memory();
    let route = r#"{"contract":"lines","tenant":{"header":"tenant"},"framing":"json_lines"}"#;
    memory.put_document("R#lines", route);
    memory.put_contract("lines", contract);
    memory
}

/// Lines of devices and what `n` is; without event ids.
const PLAIN: &str = r#"{
    "name": "lines", "subject": {"kind": "device", "id": {"path": "/id"}}, "type": {"const": "seen"},
    "observed_at": {"path": "/at", "format": "epoch"}, "without_time": "received",
    "payload": {"path": "/n"}
}"#;

/// Lines of several readings each.
const SPLIT: &str = r#"{
    "name": "lines", "subject": {"kind": "device", "id": {"path": "/id"}}, "type": {"const": "seen"},
    "transform": ".id as $id | .n[] | {id: $id, n: .}",
    "without_time": "received", "payload": {"path": "/n"}
}"#;

fn of(text: &str, at: i64) -> Record {
    Record { value: Some(text.as_bytes().to_vec()), ..record("lines", "demo", "", at) }
}

fn letters(memory: &Faulty<Memory>) -> Vec<Envelope> {
    envelopes(&memory.state().letters)
}

#[test]
fn each_line_is_an_event_and_a_bad_one_costs_no_other() {
    let memory = lines_memory(PLAIN);
    let text =
        "\u{feff}{\"id\":\"d1\",\"n\":1}\r\n\n{\"id\":\"d2\",\"n\"\n{\"id\":\"d1\",\"n\":1}\n";
    let record = of(text, 1);
    let letter = Disposition::DeadLettered(Code::MalformedJson);
    assert_eq!(process(&memory, vec![record.clone()]), [letter]);
    // Two equal lines without a time of their own are two events.
    assert_eq!(events(&memory), 2);
    let found = letters(&memory);
    assert_eq!((found.len(), found[0].source.element()), (1, Some(1_000)));
    assert!(found[0].message.starts_with("line 2 of the record: "), "{}", found[0].message);
    assert_eq!(process(&memory, vec![record.clone()]), [letter]);
    assert_eq!((events(&memory), letters(&memory).len()), (2, 2));
    assert_eq!(letters(&memory)[1].id, found[0].id);
    let whole = found[0].record().expect("readable").expect("whole");
    assert_eq!(whole.value, record.value, "a letter holds all of the record");
}

/// A line with a time of its own has the identity that it has over HTTP, where it is a record.
#[test]
fn a_line_has_the_identity_of_a_record() {
    let memory = lines_memory(PLAIN);
    memory.put_document("R#known", r#"{"contract":"lines","tenant":{"header":"tenant"}}"#);
    let line = format!(r#"{{"id":"d1","n":1,"at":{NOW}}}"#);
    assert_eq!(process(&memory, vec![of(&format!("{line}\n{line}"), 1)]), [Disposition::Applied]);
    assert_eq!(events(&memory), 1);
    let alone = Record { value: Some(line.into_bytes()), ..known("d1", 2) };
    assert_eq!(process(&memory, vec![alone]), [Disposition::Duplicate]);
}

#[test]
fn the_letter_of_a_line_stands_for_all_that_its_transform_gives() {
    let memory = lines_memory(SPLIT);
    let text = r#"{"id":"d1","n":[1,2]}
        {"id":"d2","n":7}
        {"id":"d3","n":[3]}"#;
    assert_eq!(
        process(&memory, vec![of(text, 1)]),
        [Disposition::DeadLettered(Code::TransformFailed)]
    );
    assert_eq!(events(&memory), 3);
    let letter = letters(&memory).remove(0);
    assert_eq!(letter.source.element(), Some(1_000));
    let mended = SPLIT.replace(".n[]", "(.n | if type == \\\"array\\\" then .[] else (., .) end)");
    memory.put_contract("lines", &mended);
    for (element, disposition) in [
        (1_000, Disposition::Applied),
        (1_001, Disposition::Duplicate),
        (1_002, Disposition::Duplicate),
        (1_003, Disposition::Ignored),
        (9_000, Disposition::Ignored),
    ] {
        let again = of(text, 1).with_element(element);
        assert_eq!(process(&memory, vec![again]), [disposition], "{element}");
    }
    assert_eq!(events(&memory), 5);
    assert_eq!(process(&memory, vec![of(text, 1)]), [Disposition::Duplicate]);
}

#[test]
fn bounds_of_lines_are_of_all_of_the_record() {
    let memory = lines_memory(PLAIN);
    let line = |number: usize| format!("{{\"id\":\"d1\",\"n\":{number}}}\n");
    let letter = Disposition::DeadLettered(Code::TooLarge);
    let many: String = (0..1_001).map(line).collect();
    assert_eq!(process(&memory, vec![of(&many, 1)]), [letter]);
    assert_eq!(letters(&memory)[0].source.element(), None);
    assert_eq!(events(&memory), 0);
    assert_eq!(process(&memory, vec![of("\n \r\n", 2)]), [Disposition::Ignored]);
    let zipped = Record { value: Some(vec![0x1f, 0x8b, b'\n', 8, b'\n', 9]), ..of("", 3) };
    let letter = Disposition::DeadLettered(Code::UnsupportedEncoding);
    assert_eq!(process(&memory, vec![zipped]), [letter]);
    assert_eq!(letters(&memory).len(), 2);
    let many: String = (0..1_000).map(line).collect();
    assert_eq!(process(&memory, vec![of(&many, 4)]), [Disposition::Applied]);
    assert_eq!(events(&memory), 1_000);
    memory.put_contract("lines", SPLIT);
    let large = format!("{{\"id\":\"d1\",\"n\":[{}0]}}\n", "0,".repeat(999));
    let both = format!("{large}{{\"id\":\"d2\",\"n\":[1]}}");
    let letter = Disposition::DeadLettered(Code::TooLarge);
    assert_eq!(process(&memory, vec![of(&both, 5)]), [letter]);
    assert_eq!(letters(&memory)[2].source.element(), Some(0));
    assert_eq!(events(&memory), 1_001);
}
