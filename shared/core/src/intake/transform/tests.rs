//! Tests of transforms.

mod language;
mod limits;

use super::*;
use crate::base::time::Timestamp;
use std::sync::Arc;

fn record(value: &str) -> Record {
    let source = Source::Kafka {
        topic: Arc::from("plant/1/line/7"),
        partition: 0,
        offset: 1,
        timestamp: Some(5),
        element: None,
    };
    let stamp = Timestamp::from_millis(1_800_000_000_000).expect("in range");
    Record {
        source,
        key: Some(b"dev-1".to_vec()),
        value: Some(value.as_bytes().to_vec()),
        headers: vec![
            ("Authorization".to_owned(), b"Bearer x".to_vec()),
            ("ce_type".to_owned(), b"reading".to_vec()),
            ("enqueued".to_owned(), b"\x83\x00\x00\x01\x8b\xcf\xe5\x68\x00".to_vec()),
            ("raw".to_owned(), vec![0xff]),
        ],
        received_at: Some(stamp),
        ingested_at: stamp,
    }
}

fn compile(code: &str) -> Transform {
    Transform::compile(code).unwrap_or_else(|faults| panic!("{code}: {faults:?}"))
}

fn run(code: &str, json: &str) -> Result<Elements, Rejection> {
    compile(code).run(&record(json), json)
}

/// The elements; the message in place of one that failed.
fn outputs(code: &str, json: &str) -> Vec<String> {
    let elements = run(code, json).unwrap_or_else(|rejection| panic!("{code}: {rejection}"));
    let shown = |element: Result<String, Rejection>| {
        element.unwrap_or_else(|Rejection { message, .. }| {
            message.trim_start_matches("the transform failed: ").to_owned()
        })
    };
    elements.into_iter().map(shown).collect()
}

fn check(code: &str, json: &str, expected: &[&str]) {
    assert_eq!(outputs(code, json), expected, "{code}");
}

fn faults(code: &str) -> Vec<String> {
    Transform::compile(code).err().unwrap_or_else(|| panic!("{code} may run"))
}
