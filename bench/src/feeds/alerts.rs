//! Units per event of one subject with alert rules, and units per alert: without rules, with ten rules of which none
//! fires, and with rules that open and resolve an alert every few events. The tenant has no feeds.

use std::collections::BTreeMap;

use anyhow::Context as _;
use drover_core::base::cost::Units;
use drover_core::base::time::Timestamp;
use drover_core::memory::Memory;
use drover_core::outputs::alerts::{Alert, AlertState};
use drover_core::registry::StoredRules;
use futures_util::FutureExt as _;
use serde_json::{Value, json};

use super::change_stream::{Follower, store};
use super::units::paid;
use crate::load::{START_MILLIS, Times, invocation, lambda_event, order, processor, record};
use crate::print;

const EVENTS: i64 = 2_000;
/// From one event to the next, and from its observation to its receipt.
const STEP_MILLIS: i64 = 1_000;
const TRANSIT_MILLIS: i64 = 200;
/// Bounds of temperatures: those of the load are from 18 to 26.
const NEVER: u32 = 40;
const OFTEN: u32 = 25;

pub(super) fn run() -> anyhow::Result<()> {
    print(
        "rules | late | ledger: write units per event | relay: read, write units per event | alerts | \
         read, write units of the relay per alert",
    );
    for (name, rules) in
        [("none", None), ("ten, none fires", Some(NEVER)), ("ten, one fires", Some(OFTEN))]
    {
        for is_late in [false, true] {
            let (ledger, relay, alerts) = measure(rules, is_late)?;
            let per_event = |units: f64| units / EVENTS as f64;
            let per_alert = |units: f64| if alerts > 0 { units / alerts as f64 } else { 0.0 };
            print(&format!(
                "{name} | {} | {:.3} | {:.3} {:.3} | {alerts} | {:.2} {:.2}",
                if is_late { "10 %" } else { "none" },
                per_event(ledger.write),
                per_event(relay.read),
                per_event(relay.write),
                per_alert(relay.read),
                per_alert(relay.write),
            ));
        }
    }
    Ok(())
}

/// The units of the ledger and of the relay, and the number of alerts.
fn measure(above: Option<u32>, is_late: bool) -> anyhow::Result<(Units, Units, usize)> {
    let start = Timestamp::from_millis(START_MILLIS).context("a time")?;
    let memory = store(start, false);
    if let Some(above) = above {
        put_rules(&memory, above)?;
    }
    let (processor, mut follower) = (processor(memory.clone()), Follower::new(memory.clone()));
    let mut random = fastrand::Rng::with_seed(7);
    let (mut ledger, mut relay) = (Units::default(), Units::default());
    for (turn, position) in (1..).zip(order(EVENTS, is_late, &mut random)) {
        let now = START_MILLIS + turn * STEP_MILLIS + TRANSIT_MILLIS;
        let observed = START_MILLIS + position * STEP_MILLIS;
        let batch =
            lambda_event(&[record(&mut random, position, 0, Times { observed, received: now })]);
        memory.state().now = Timestamp::from_millis(now).context("a time")?;
        ledger += paid(&memory, || {
            let answer = processor.handle(invocation(&batch)?).now_or_never();
            answer.context("the memory store never waits")??;
            Ok(())
        })?;
        let event = follower.event();
        relay += paid(&memory, || follower.handle(&event).map(drop))?;
    }
    let state = memory.state();
    let alerts = state.outputs.alerts.values().filter_map(|bytes| Alert::decode(bytes));
    let alerts = alerts.filter(|alert| alert.state() != AlertState::Retracted).count();
    drop(state);
    Ok((ledger, relay, alerts))
}

/// Ten rules that are in force for all events; one of them is on above this temperature, the others never.
fn put_rules(memory: &Memory, above: u32) -> anyhow::Result<()> {
    let rule = |number: u32| {
        let above = if number == 0 { above } else { NEVER + number };
        json!({
            "id": format!("r{number}"), "contract": "telemetry", "measure": "temperature",
            "when": { "above": above }, "for": { "events": 1 + number % 3 },
        })
    };
    let rules: Vec<Value> = (0..10).map(rule).collect();
    let long_ago = Timestamp::from_micros(0).context("a time")?;
    let stored = StoredRules {
        version: 1,
        applied_at: long_ago,
        applied_by: "bench".to_owned(),
        starts_at: long_ago,
        kinds: BTreeMap::from([("telemetry".to_owned(), vec!["device".to_owned()])]),
        rules: json!({ "tenant": "demo", "rules": rules }),
    };
    let json = stored.to_json()?;
    memory.put_document("A#demo@1", &json);
    memory.put_document("A#demo", &json);
    Ok(())
}
