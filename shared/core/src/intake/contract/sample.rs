//! Records and contracts for tests.

use std::sync::Arc;

use super::{Contract, ContractDocument, builtin};
use crate::base::id::TenantId;
use crate::base::scope::TenantScope;
use crate::base::time::Timestamp;
use crate::intake::record::{Record, Source};

/// When every sample was received.
pub(crate) const RECEIVED: &str = "2026-11-21T07:00:00Z";

pub(crate) fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).expect("an instant")
}

pub(crate) fn scope() -> TenantScope {
    TenantScope::by_operator(TenantId::parse("demo").expect("a name"))
}

/// A record of the topic `events`, partition 1, offset 7.
pub(crate) fn record(value: &str, headers: &[(&str, &[u8])]) -> Record {
    let own = |(name, value): &(&str, &[u8])| ((*name).to_owned(), value.to_vec());
    Record {
        source: Source::Kafka {
            topic: Arc::from("events"),
            partition: 1,
            offset: 7,
            timestamp: Some(at(RECEIVED).micros() / 1_000),
            element: None,
        },
        key: None,
        value: Some(value.as_bytes().to_vec()),
        headers: headers.iter().map(own).collect(),
        received_at: Some(at(RECEIVED)),
        ingested_at: at(RECEIVED),
    }
}

pub(crate) fn compiled(name: &str) -> Contract {
    let document = builtin(name).expect("a document").expect("a built-in");
    Contract::compile(&document).expect("a contract")
}

pub(crate) fn contract(json: &serde_json::Value) -> Contract {
    let document = ContractDocument::parse(&json.to_string()).expect("a document");
    Contract::compile(&document).expect("a contract")
}
