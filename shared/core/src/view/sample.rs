//! Sample entries and specs for tests of the units.

use std::sync::Arc;

use jsonptr::PointerBuf;
use serde_json::Value;

use super::{MeasureSpec, Numbers, Specs, StatusSpec, View, ViewSpec, fold};
use crate::base::id::{EventId, Position};
use crate::base::time::Timestamp;
use crate::event::{ContractVersion, Entry, IdOrigin, Placing};

/// The contract of every sample.
pub(super) const CONTRACT: &str = "sample";

/// The instant this many seconds after 1970.
pub(super) fn seconds(after: i64) -> Timestamp {
    Timestamp::from_micros(after * 1_000_000).expect("in range")
}

/// An entry that was observed and ingested at the same time, which is also its id.
pub(super) fn entry(event_type: &str, at: i64, payload: &str) -> Arc<Entry> {
    let event_id = EventId::parse(&format!("e{at}")).expect("an id");
    Arc::new(Entry {
        position: Position { observed_at: seconds(at), sequence: 0, event_id },
        id_origin: IdOrigin::Given,
        event_type: Arc::from(event_type),
        contract: Arc::from(CONTRACT),
        contract_version: 0,
        ingested_at: seconds(at),
        payload: Arc::from(payload),
        placing: Placing::default(),
    })
}

/// A measure for every event type, without a unit.
pub(super) fn measure(name: &str, path: &str) -> MeasureSpec {
    MeasureSpec {
        name: Arc::from(name),
        types: Vec::new(),
        path: PointerBuf::parse(path).expect("a pointer"),
        unit: None,
        unit_path: None,
        numbers: Numbers::Json,
    }
}

/// A status of every type.
pub(super) fn status(path: &str) -> StatusSpec {
    StatusSpec { path: PointerBuf::parse(path).expect("a pointer"), types: Vec::new() }
}

/// The spec of the one contract.
pub(super) fn specs(spec: ViewSpec) -> Specs {
    let version = ContractVersion { contract: Arc::from(CONTRACT), number: 0 };
    Specs::from_iter([(version, Arc::new(spec))])
}

/// The view of entries given as (type, second, payload).
pub(super) fn folded(spec: ViewSpec, lines: &[(&str, i64, Value)]) -> View {
    let entries: Vec<_> =
        lines.iter().map(|(kind, at, payload)| entry(kind, *at, &payload.to_string())).collect();
    fold(View::default(), &entries, &specs(spec))
}
