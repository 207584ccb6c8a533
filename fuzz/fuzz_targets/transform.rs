//! Runs arbitrary programs on arbitrary records. A contract must compile or return the reason why not. A
//! run of its program must end, and must have the same result each time.
//!
//! An input is a program, a byte 0xff, which UTF-8 text never contains, and a record.

#![no_main]

use std::sync::Arc;

use drover_core::base::id::TenantId;
use drover_core::base::scope::TenantScope;
use drover_core::intake::contract::{Contract, ContractDocument};
use drover_core::intake::record::{Record, Source};
use drover_fuzz::now;
use libfuzzer_sys::{Corpus, fuzz_target};
use serde_json::json;

const END: u8 = 0xff;

fuzz_target!(|input: &[u8]| -> Corpus {
    let mut parts = input.splitn(2, |byte| *byte == END);
    let (Some(program), Some(value)) = (parts.next(), parts.next()) else {
        return Corpus::Reject;
    };
    let Ok(program) = std::str::from_utf8(program) else { return Corpus::Reject };
    let document = json!({
        "name": "fuzz", "transform": program,
        "subject": {"kind": "device", "id": {"path": "/id"}},
        "type": {"const": "seen"}, "payload": {"path": ""},
        "observed_at": {"path": "/at", "format": "any"}, "without_time": "received",
    });
    let Ok(document) = ContractDocument::parse(&document.to_string()) else {
        return Corpus::Reject;
    };
    let contract = match Contract::compile(&document) {
        Ok(contract) => contract,
        Err(faults) => {
            assert!(!faults.is_empty());
            return Corpus::Keep;
        }
    };
    let scope = TenantScope::by_operator(TenantId::parse("demo").expect("a tenant"));
    let record = record(value);
    let once = contract.elements(&record.parsed(), &scope).expect("it has a transform");
    let again = contract.elements(&record.parsed(), &scope).expect("it has a transform");
    assert_eq!(once, again);
    if let Ok(elements) = once {
        assert!(elements.len() <= 1_000);
    }
    Corpus::Keep
});

fn record(value: &[u8]) -> Record {
    Record {
        source: Source::Kafka {
            topic: Arc::from("fuzz"),
            partition: 0,
            offset: 1,
            timestamp: Some(1),
            element: None,
},
        key: Some(b"key".to_vec()),
        value: Some(value.to_vec()),
        headers: vec![("tenant".to_owned(), b"demo".to_vec())],
        received_at: Some(now()),
        ingested_at: now(),
    }
}
