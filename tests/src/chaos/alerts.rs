//! Alerts at the end: those of a device equal the episodes of its events, whatever happened to the host and its relay.
//!
//! The rules are in force for all events. `drover rules try` finds the episodes in the accepted events. What only the
//! clock decides, whether the newest silence is over its limit yet, is left out: the sweep looks minutes later.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use aws_sdk_dynamodb::types::AttributeValue;
use drover_core::base::time::Timestamp;
use drover_core::registry::StoredRules;
use serde_json::{Value, json};

use super::check::{Reader, same};
use super::event::{Accepted, Tenant};
use super::feeds::{LOOK, WITHIN, consume};

/// The rules whose newest episode may need the clock.
const TIMED: [&str; 2] = ["quiet", "silent"];

/// Rules of every form that one measure allows.
fn rules(tenant: Tenant) -> Value {
    let at = |value: u32| tenant.base + value;
    let rule = |id: &str, members: Value| {
        let mut rule = json!({ "id": id, "contract": "telemetry", "measure": "temperature" });
        if let (Value::Object(rule), Value::Object(members)) = (&mut rule, members) {
            rule.extend(members);
        }
        rule
    };
    let severity = json!([
        { "severity": "warning" }, { "severity": "critical", "when": { "above": at(950) } },
    ]);
    json!({ "tenant": tenant.id, "rules": [
        rule("hot", json!({
            "when": { "above": at(800) }, "clear": { "below": at(600), "for": { "events": 2 } },
            "severity": severity, "latch": true,
        })),
        rule("three", json!({ "when": { "at_least": at(400) }, "for": { "events": 3 } })),
        rule("long", json!({ "when": { "below": at(700) }, "for": { "seconds": 120 } })),
        rule("quiet", json!({ "when": { "above": at(900) }, "clear": { "after_seconds": 180 } })),
        rule("ends", json!({ "when": { "any": [{ "above": at(960) }, { "below": at(40) }] } })),
        rule("both", json!({ "when": { "all": [{ "above": at(300) }, { "below": at(650) }] } })),
        rule("moves", json!({ "when": { "changes": true }, "for": { "events": 4 } })),
        json!({ "id": "silent", "contract": "telemetry", "absent": { "seconds": 240 } }),
    ] })
}

/// Stores the rules of a tenant as a version that was in force before all events.
///
/// # Errors
/// The registry does not take them.
pub async fn store_rules(dynamodb: SocketAddr, tenant: Tenant) -> Result<(), String> {
    let long_ago = Timestamp::from_micros(0).ok_or("no time")?;
    let stored = StoredRules {
        version: 1,
        applied_at: long_ago,
        applied_by: "chaos".to_owned(),
        starts_at: long_ago,
        kinds: BTreeMap::from([("telemetry".to_owned(), vec!["device".to_owned()])]),
        rules: rules(tenant),
    };
    let stored = stored.to_json().map_err(|fault| fault.to_string())?;
    let aws = crate::aws_at(dynamodb);
    for name in [format!("A#{}@1", tenant.id), format!("A#{}", tenant.id)] {
        let put = aws.dynamodb().put_item().table_name("drover-registry");
        let put = put.item("pk", AttributeValue::S(name));
        let put = put.item("d", AttributeValue::S(stored.clone()));
        let put = put.item("v", AttributeValue::N("1".to_owned()));
        put.send().await.map_err(|fault| fault.to_string())?;
    }
    Ok(())
}

/// Checks the alerts of a tenant, over HTTP and in the feed, once the relay has caught up.
///
/// # Errors
/// The last mismatch, with both sides.
pub async fn tenant(
    program: &Path,
    data: &Path,
    reader: &Reader,
    accepted: &Accepted,
) -> Result<(), String> {
    let episodes = episodes(program, data, reader.tenant, accepted)?;
    let started = Instant::now();
    loop {
        match check(program, data, reader, &episodes).await {
            Err(_) if started.elapsed() < WITHIN => tokio::time::sleep(LOOK).await,
            checked => return checked,
        }
    }
}

/// For each subject the episodes of its accepted events.
fn episodes(
    program: &Path,
    data: &Path,
    tenant: Tenant,
    accepted: &Accepted,
) -> Result<BTreeMap<String, Vec<Value>>, String> {
    let failed = |fault: std::io::Error| format!("drover rules try: {fault}");
    let rules_file = data.join(format!("rules-{}.json", tenant.id));
    std::fs::write(&rules_file, rules(tenant).to_string()).map_err(failed)?;
    let records = data.join(format!("records-{}.jsonl", tenant.id));
    let mut lines = std::fs::File::create(&records).map_err(failed)?;
    for event in accepted.values() {
        writeln!(lines, "{}", event.json).map_err(failed)?;
    }
    let mut command = Command::new(program);
    command.args(["rules", "try", "--json"]).args([rules_file, records]).stdin(Stdio::null());
    let output = command.output().map_err(failed)?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let found: Value = serde_json::from_slice(&output.stdout).map_err(|fault| fault.to_string())?;
    let subjects = found.get("subjects").and_then(Value::as_array).into_iter().flatten();
    let episodes = subjects.filter_map(|subject| {
        let name = subject.get("subject")?.as_str()?.to_owned();
        Some((name, subject.get("episodes")?.as_array()?.clone()))
    });
    Ok(episodes.collect())
}

async fn check(
    program: &Path,
    data: &Path,
    reader: &Reader,
    episodes: &BTreeMap<String, Vec<Value>>,
) -> Result<(), String> {
    let records = consume(program, data, "drover.alerts")?;
    let key_and_value = |record: &Value| {
        Some((record.get("key")?.as_str()?.to_owned(), record.get("value")?.clone()))
    };
    let sent: BTreeMap<String, Value> = records.iter().filter_map(key_and_value).collect();
    for (subject, episodes) in episodes {
        let path = format!("/api/v1/alerts?subject={subject}&limit=200");
        let alerts = reader.all(&path, "alerts").await?;
        let waiting: Vec<&Value> =
            episodes.iter().filter(|one| is_timed(one) && at(one, "closed_at").is_null()).collect();
        let decided = |one: &&Value| !waiting.iter().any(|other| same_beginning(one, other));
        let held = alerts.iter().filter(|alert| at(alert, "state") != "retracted");
        let held = sorted(held.filter(decided));
        let what = format!("alerts {} {subject}", reader.tenant.id);
        same(&what, &held, &sorted(episodes.iter().filter(decided)))?;
        for alert in &alerts {
            let id = at(alert, "id");
            let last = sent.get(id.as_str().unwrap_or_default()).cloned().unwrap_or_default();
            same(&format!("the feed of {what}"), &last, alert)?;
        }
    }
    Ok(())
}

/// What an alert and its episode have in common.
fn sorted<'a>(alerts: impl Iterator<Item = &'a Value>) -> Value {
    let members = ["rule", "opened_at", "closed_at", "severity", "value"];
    let mut shown: Vec<Value> =
        alerts.map(|alert| members.map(|member| at(alert, member)).to_vec().into()).collect();
    shown.sort_by_key(Value::to_string);
    shown.into()
}

fn is_timed(alert: &Value) -> bool {
    TIMED.iter().any(|rule| at(alert, "rule") == *rule)
}

fn same_beginning(one: &Value, other: &Value) -> bool {
    ["rule", "opened_at"].iter().all(|member| at(one, member) == at(other, member))
}

fn at(value: &Value, member: &str) -> Value {
    value.get(member).cloned().unwrap_or_default()
}
