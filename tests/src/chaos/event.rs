//! The events: their content, the invalid events, and their batches.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use fastrand::Rng;
use serde_json::{Value, json};

use super::plan::Plan;

/// The accepted events of a tenant.
pub type Accepted = BTreeMap<Position, Drawn>;

/// A tenant and its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Its id.
    pub id: &'static str,
    /// A key with every scope.
    pub key: &'static str,
    /// The tenant's values are above this; the other tenant's are not.
    pub base: u32,
}

/// The tenants of `local/config`.
pub const TENANTS: [Tenant; 2] = [
    Tenant { id: "demo", key: "drover-demo-key", base: 0 },
    Tenant { id: "acme", key: "drover-acme-key", base: 1_000_000 },
];

/// The position of an event: device, microseconds since 1970, id.
pub type Position = (String, i64, String);

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// The position of the event.
    pub position: Position,
    /// The measured value.
    pub value: u32,
    /// Whether the event satisfies its contract and its tenant's clock rules.
    pub is_good: bool,
    /// The event as sent.
    pub json: Value,
}

const HOUR_SECONDS: u64 = 3_600;
/// One of so many events is sent twice, in separate batches.
const DOUBLED: usize = 6;
/// One of so many events is invalid.
const WRONG: usize = 25;
const BATCH: usize = 100;

/// Every event of a tenant, in sending order.
pub fn batches(tenant: Tenant, plan: &Plan, random: &mut Rng) -> Vec<Vec<Drawn>> {
    let start = now() - Duration::from_secs(2 * HOUR_SECONDS);
    let mut events = Vec::new();
    for device in 0..plan.devices {
        for number in 0..plan.events {
            let event = draw(tenant, device, number, start, random);
            if random.usize(..DOUBLED) == 0 {
                events.push(event.clone());
            }
            events.push(event);
        }
    }
    random.shuffle(&mut events);
    let mut batches = Vec::new();
    while !events.is_empty() {
        let size = random.usize(1..=BATCH).min(events.len());
        batches.push(events.split_off(events.len() - size));
    }
    batches
}

/// Several events of a device may share a timestamp; their ids then determine the order.
fn draw(tenant: Tenant, device: usize, number: usize, start: Duration, random: &mut Rng) -> Drawn {
    let device = format!("chaos-{device}");
    let seconds = Duration::from_secs(random.u64(..HOUR_SECONDS));
    let micros = i64::try_from((start + seconds).as_micros()).unwrap_or(i64::MAX);
    let id = format!("e-{number}");
    let value = tenant.base + random.u32(..1_000);
    let mut json = json!({
        "device_id": device, "event_id": id, "event_type": "temperature",
        "timestamp": rfc3339(micros), "payload": {"value": value},
    });
    let is_good = random.usize(..WRONG) != 0;
    if !is_good {
        spoil(&mut json, random);
    }
    Drawn { position: (device, micros, id), value, is_good, json }
}

fn spoil(json: &mut Value, random: &mut Rng) {
    let Some(fields) = json.as_object_mut() else { return };
    match random.u8(..5) {
        0 => fields.insert("payload".to_owned(), json!({"value": "warm"})),
        1 => fields.insert("timestamp".to_owned(), json!("2126-01-01T00:00:00Z")),
        2 => fields.insert("timestamp".to_owned(), json!("2001-01-01T00:00:00Z")),
        3 => fields.insert("tenant_id".to_owned(), json!("somebody-else")),
        _ => fields.remove("device_id"),
    };
}

/// A time in the API's format.
pub fn rfc3339(micros: i64) -> String {
    drover_core::base::time::Timestamp::from_micros(micros)
        .map(|at| at.to_string())
        .unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "the host uses the time of day")]
fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
