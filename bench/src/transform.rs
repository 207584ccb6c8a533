//! The cost of a transform: the CPU time per event from the bytes of the record to the event, for a
//! contract with a transform and for a contract without. Both run alternately in one thread.

use std::hint::black_box;
use std::sync::Arc;

use anyhow::Context as _;
use drover_core::base::id::TenantId;
use drover_core::base::scope::TenantScope;
use drover_core::base::time::Timestamp;
use drover_core::intake::contract::{Contract, ContractDocument};
use drover_core::intake::record::{Record, Source};
use serde_json::json;

use crate::cpu::timed;
use crate::print;

const ROUNDS: usize = 7;
const RECORDS: usize = 20_000;
/// The numbers of readings in a record.
const READINGS: [usize; 3] = [1, 10, 100];
/// A typical transform for several readings: it uses fields outside the array, filters, converts a string
/// to a number, and builds an id.
const PROGRAM: &str = r#". as $all | .readings[] | select(.kind != "debug") | {
    device_id: "\($all.site)-\($all.device)", event_type: .kind, timestamp: .at,
    payload: {value: (.value | tonumber), unit: (.unit // "celsius")}}"#;

pub(crate) fn run() -> anyhow::Result<()> {
    let (with, without) = (contract(Some(PROGRAM))?, contract(None)?);
    let scope = TenantScope::by_operator(TenantId::parse("demo").map_err(anyhow::Error::msg)?);
    for readings in READINGS {
        let several = record(&several(readings));
        let one = record(&one());
        let records = RECORDS / readings;
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let transformed = timed(|| {
                (0..records).try_for_each(|_| {
                    let elements = with.elements(&several.parsed(), &scope);
                    let elements = elements.context("a transform")?.map_err(anyhow::Error::msg)?;
                    anyhow::ensure!(elements.iter().all(|element| element.event.is_ok()));
                    anyhow::ensure!(black_box(elements).len() == readings);
                    Ok(())
                })
            })?;
            let plain = timed(|| {
                (0..records * readings).try_for_each(|_| {
                    let event = without.read(&one.parsed(), &scope);
                    black_box(event.map_err(anyhow::Error::msg)?);
                    Ok(())
                })
            })?;
            rounds.push((transformed, plain));
        }
        rounds.sort_unstable();
        let (transformed, plain) = rounds.get(ROUNDS / 2).copied().context("rounds")?;
        let events = u64::try_from(records * readings)?;
        print(&format!(
            "{readings} readings a record: {} ns for each event with a transform, {} ns without",
            transformed / events,
            plain / events
        ));
    }
    Ok(())
}

fn contract(transform: Option<&str>) -> anyhow::Result<Contract> {
    let document = json!({
        "name": "uplink", "transform": transform, "subject": {"kind": "device", "id": {"path": "/device_id"}},
        "type": {"path": "/event_type"}, "observed_at": {"path": "/timestamp"},
        "payload": {"path": "/payload"},
        "schema": {"required": ["payload"], "properties": {
            "payload": {"required": ["value"], "properties": {"value": {"type": "number"}}}}},
    });
    let document = ContractDocument::parse(&document.to_string());
    let document = document.map_err(|faults| anyhow::anyhow!("{faults:?}"))?;
    Contract::compile(&document).map_err(|faults| anyhow::anyhow!("{faults:?}"))
}

fn several(readings: usize) -> String {
    let reading = |at: usize| {
        json!({"at": format!("2027-01-15T07:00:{:02}.{:03}Z", at % 60, at), "kind": "temperature",
            "value": format!("{}.25", at % 40), "quality": at % 3, "raw": [at, 2, 3]})
    };
    let readings: Vec<_> = (0..readings).map(reading).collect();
    json!({"site": "plant-7", "device": "device-001", "firmware": "1.2.3", "readings": readings})
        .to_string()
}

/// The result of the transform for one reading.
fn one() -> String {
    json!({"device_id": "plant-7-device-001", "event_type": "temperature",
        "timestamp": "2027-01-15T07:00:00.000Z", "payload": {"value": 21.25, "unit": "celsius"}})
    .to_string()
}

fn record(value: &str) -> Record {
    let stamp = Timestamp::from_millis(1_800_000_000_000).unwrap_or(Timestamp::MIN);
    Record {
        source: Source::Kafka {
            topic: Arc::from("uplinks"),
            partition: 0,
            offset: 1,
            timestamp: Some(1_800_000_000_000),
            element: None,
        },
        key: None,
        value: Some(value.as_bytes().to_vec()),
        headers: Vec::new(),
        received_at: Some(stamp),
        ingested_at: stamp,
    }
}
