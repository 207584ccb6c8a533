//! The expected state of a tenant: each device's history in order, its view, its view at some past
//! time, and no device or event that was not accepted.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};

use super::event::{self, Accepted, Drawn, Tenant, rfc3339};
use crate::http::Call;

/// The attempts, and the pause between them, while the quota is exceeded.
const ATTEMPTS: usize = 100;
const PAUSE: Duration = Duration::from_millis(250);

/// Checks everything that a tenant can read.
///
/// # Errors
/// The mismatch, with both sides.
pub async fn tenant(
    host: SocketAddr,
    tenant: Tenant,
    accepted: &Accepted,
    random: &mut Rng,
) -> Result<(), String> {
    let mut devices: BTreeMap<&str, Vec<&Drawn>> = BTreeMap::new();
    for (position, event) in accepted {
        devices.entry(&position.0).or_default().push(event);
    }
    let reader = Reader { host, tenant };
    let listed = reader.all("/api/v1/subjects?kind=device&limit=7", "subjects").await?;
    let mut names: Vec<&str> =
        listed.iter().filter_map(|subject| subject.get("id")?.as_str()).collect();
    names.sort_unstable();
    same("the devices", &json!(names), &json!(devices.keys().collect::<Vec<_>>()))?;
    for (device, events) in devices {
        reader.history(device, &events, random).await?;
        reader.views(device, &events, random).await?;
    }
    Ok(())
}

/// Reads with the key of a tenant.
pub struct Reader {
    /// The address of the HTTP port.
    pub host: SocketAddr,
    /// The tenant.
    pub tenant: Tenant,
}

impl Reader {
    /// Gets a response, with retries while the quota is exceeded.
    ///
    /// # Errors
    /// Another status than 200, or no answer.
    pub async fn get(&self, path: &str) -> Result<Value, String> {
        for _ in 0..ATTEMPTS {
            let answer = Call::get(path).send(self.host, self.tenant.key).await;
            let answer = answer.ok_or_else(|| format!("no answer: {path}"))?;
            match answer.status {
                200 => return Ok(answer.json),
                429 => tokio::time::sleep(PAUSE).await,
                status => return Err(format!("{status} for {path}: {}", answer.text)),
            }
        }
        Err(format!("over the quota for too long: {path}"))
    }

    /// Every element of a list, page by page.
    pub(super) async fn all(&self, path: &str, key: &str) -> Result<Vec<Value>, String> {
        let (mut all, mut next) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("{path}{next}")).await?;
            let list = page.get(key).and_then(Value::as_array);
            all.extend_from_slice(list.ok_or_else(|| format!("no {key} in {page}"))?);
            match page.get("next_cursor") {
                Some(Value::String(cursor)) => next = format!("&cursor={cursor}"),
                Some(Value::Null) => return Ok(all),
                _ => return Err(format!("no next_cursor in {page}")),
            }
        }
    }

    /// The history forwards and backwards, in pages of different sizes.
    async fn history(
        &self,
        device: &str,
        events: &[&Drawn],
        random: &mut Rng,
    ) -> Result<(), String> {
        let expected = events.iter().map(|event| {
            let (_, micros, id) = &event.position;
            json!([rfc3339(*micros), id, "temperature", {"value": event.value}])
        });
        let mut expected: Vec<Value> = expected.collect();
        for order in ["asc", "desc"] {
            let limit = random.usize(1..=events.len());
            let path = format!("/api/v1/events?device_id={device}&order={order}&limit={limit}");
            let read = self.all(&path, "events").await?;
            let read: Vec<Value> = read.iter().map(shown).collect();
            same(&format!("{} {device} {order}", self.tenant.id), &json!(read), &json!(expected))?;
            expected.reverse();
        }
        Ok(())
    }

    /// The view now, and at the time of one of the events.
    async fn views(&self, device: &str, events: &[&Drawn], random: &mut Rng) -> Result<(), String> {
        let path = format!("/api/v1/subjects/device/{device}");
        self.view(&path, device, events).await?;
        let Some(chosen) = events.get(random.usize(..events.len())) else { return Ok(()) };
        let as_of = chosen.position.1;
        let until = events.iter().filter(|event| event.position.1 <= as_of).count();
        let path = format!("{path}?as_of={}", event::rfc3339(as_of));
        self.view(&path, device, events.get(..until).unwrap_or_default()).await
    }

    async fn view(&self, path: &str, device: &str, events: &[&Drawn]) -> Result<(), String> {
        let view = self.get(path).await?;
        let at = |key: &str| view.get(key).cloned().unwrap_or_default();
        let measure = view.pointer("/measures/temperature").cloned().unwrap_or_default();
        let of = |key: &str| measure.get(key).cloned().unwrap_or_default();
        let shown = json!([
            at("event_count"),
            at("first_observed_at"),
            at("last_observed_at"),
            of("count"),
            of("min"),
            of("max"),
            of("last"),
            of("last_at"),
            view.pointer("/latest/temperature/event_id"),
        ]);
        let what = format!("{} {device} at {path}", self.tenant.id);
        same(&what, &shown, &folded(events))?;
        let mean = events.iter().map(|event| f64::from(event.value)).sum::<f64>()
            / f64::from(u32::try_from(events.len()).unwrap_or(u32::MAX));
        let shown = of("mean").as_f64().unwrap_or(f64::NAN);
        if (shown - mean).abs() <= mean.abs() * 1e-9 {
            Ok(())
        } else {
            Err(format!("{what}: mean {shown}, not {mean}"))
        }
    }
}

/// The expected view of a sorted list.
fn folded(events: &[&Drawn]) -> Value {
    let values = events.iter().map(|event| f64::from(event.value));
    let time = |event: Option<&&Drawn>| event.map(|event| rfc3339(event.position.1));
    let (first, last) = (time(events.first()), time(events.last()));
    let newest = events.last();
    json!([
        events.len(),
        first,
        last,
        events.len(),
        values.clone().fold(f64::INFINITY, f64::min),
        values.fold(f64::NEG_INFINITY, f64::max),
        newest.map(|event| f64::from(event.value)),
        last,
        newest.map(|event| &event.position.2),
    ])
}

fn shown(event: &Value) -> Value {
    let at = |key: &str| event.get(key).cloned().unwrap_or_default();
    json!([at("observed_at"), at("event_id"), at("type"), at("payload")])
}

pub(super) fn same(what: &str, found: &Value, expected: &Value) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what}\n   found: {found}\nexpected: {expected}"))
}
