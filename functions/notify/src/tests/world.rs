//! A notify function over ports in memory.
//!
//! - `alert`: what happens to alerts; `queue`: the queue of notifications
//! - `targets`: targets that answer as they are told to, and what they saw

use std::collections::BTreeMap;
use std::sync::Mutex;

use drover_core::base::id::{EventId, Position, SubjectId, SubjectKey, TenantId};
use drover_core::base::scope::TenantScope;
use drover_core::base::severity::Severity;
use drover_core::base::time::Timestamp;
use drover_core::dead_letter::failed_notification::FailedNotification;
use drover_core::event::{Entry, IdOrigin, Placing};
use drover_core::intake::document::DocumentName;
use drover_core::intake::tenant::Target;
use drover_core::ledger::codec::encode_head;
use drover_core::ledger::{Head, StoredHead};
use drover_core::memory::{Faulty, Memory};
use drover_core::outputs::alerts::acts::{Act, Remark};
use drover_core::outputs::alerts::latest::Backlog;
use drover_core::outputs::alerts::reconcile::KnownEpisodes;
use drover_core::outputs::alerts::{
    Alert, AlertId, AlertState, AlertWrite, Cause, News, Reflected, SubjectAlerts,
};
use drover_core::outputs::changes::CommitId;
use drover_core::outputs::notifications::{Look, Notification, simulated::Simulated};
use drover_core::registry::StoredRules;
use drover_core::view::rules::{Ending, Episode, Moment};
use futures_util::FutureExt as _;
use lambda_runtime::Context;
use serde_json::{Value, json};

use super::super::*;
use crate::sending::NotSent;

mod alert;
mod queue;
mod targets;

use self::targets::Targets;
pub(super) use self::targets::{Answer, Try};

pub(super) const NOW: i64 = 1_800_000_000;
/// A target that remembers.
pub(super) const OPS: &str = "ops";
const TENANT: &str = r#"{"id":"demo","lateness_seconds":60,"idle_seconds":120,"targets":[
    {"id":"ops","kind":"webhook","url":"https://example.com","secret":{"file":"s"}},
    {"id":"am","kind":"alertmanager","url":"https://example.com"},
    {"id":"mail","kind":"sns","topic":"arn:aws:sns:eu-central-1:111122223333:t","digest":true}]}"#;

struct NoMeter;

impl Meter for NoMeter {
    fn record(&self, _: &'static str, _: &Tally, _: Timestamp) {}
}

/// A message in the queue.
struct Queued {
    receipt: String,
    body: String,
    visible_at: Timestamp,
}

pub(super) struct World {
    pub(super) memory: Faulty<Memory>,
    notify: Notify<Faulty<Memory>, Targets>,
    pub(super) targets: Targets,
    queue: Vec<Queued>,
    received: usize,
    version: u64,
    /// The episode of the one alert.
    episode: Option<Episode>,
    backlog: Backlog,
    reflected: Option<Reflected>,
}

pub(super) fn second(at: i64) -> Timestamp {
    Timestamp::from_micros(0).unwrap().plus_seconds(at)
}

impl World {
    pub(super) fn new() -> Self {
        let memory = Faulty::over(Memory::new(second(NOW)));
        memory.put_document("T#demo", TENANT);
        memory.put_document("REV", "{}");
        let targets = Targets::default();
        let notify = Notify::new(memory.clone(), targets.clone(), Arc::new(NoMeter));
        let mut world = Self {
            memory,
            notify,
            targets,
            queue: Vec::new(),
            received: 0,
            version: 0,
            episode: None,
            backlog: Backlog::default(),
            reflected: None,
        };
        world.rules("eager");
        world
    }

    fn rules(&mut self, notify: &str) {
        let stored = StoredRules {
            version: 1,
            applied_at: second(0),
            applied_by: "a test".to_owned(),
            starts_at: second(0),
            kinds: BTreeMap::from([("telemetry".to_owned(), vec!["device".to_owned()])]),
            rules: json!({"tenant": "demo", "rules": [{
                "id": "hot", "contract": "telemetry", "measure": "temperature", "when": {"above": 30},
                "notify": notify, "targets": ["ops", "am"],
            }]}),
        };
        let json = stored.to_json().unwrap();
        let tenant = TenantId::parse("demo").unwrap();
        let names = [DocumentName::Rules(tenant.clone()), DocumentName::RulesVersion(tenant, 1)];
        for name in names {
            self.memory.put_document(&name.storage_key(), &json);
        }
    }

    /// The rule tells only what is settled.
    pub(super) fn settled_rule(&mut self) {
        self.rules("settled");
        self.put_head(None);
    }

    /// The ledger has settled everything until now.
    pub(super) fn release(&self) {
        self.put_head(Some(self.now()));
    }

    fn put_head(&self, released: Option<Timestamp>) {
        let watermark = released.map(|at| at.plus_seconds(60));
        let head = Head { version: 1, watermark, released, count: 1, ..Head::default() };
        let stored = StoredHead { version: 1, bytes: encode_head(&head).unwrap() };
        self.memory.state().heads.insert(Self::subject().partition_key(), stored);
    }

    pub(super) fn scope(&self) -> TenantScope {
        TenantScope::by_operator(TenantId::parse("demo").unwrap())
    }

    pub(super) fn subject() -> SubjectKey {
        let scope = TenantScope::by_operator(TenantId::parse("demo").unwrap());
        scope.subject(SubjectId::parse("device/d-1").unwrap())
    }

    pub(super) fn now(&self) -> Timestamp {
        self.memory.state().now
    }

    pub(super) fn pass(&self, seconds: i64) {
        let mut state = self.memory.state();
        state.now = state.now.plus_seconds(seconds);
    }

    pub(super) fn answers(&self, target: &str, answers: &[Answer]) {
        self.targets.answers.lock().unwrap().insert(target.to_owned(), answers.to_vec());
    }

    /// All alerts.
    pub(super) fn alerts(&self) -> Vec<Alert> {
        let state = self.memory.state();
        state.outputs.alerts.values().filter_map(|bytes| Alert::decode(bytes)).collect()
    }

    /// The alert that fires, or the last one.
    fn alert(&self) -> Option<Alert> {
        let mut alerts = self.alerts();
        alerts.sort_by_key(|alert| (alert.state() == AlertState::Firing, alert.id.clone()));
        alerts.pop()
    }
}
