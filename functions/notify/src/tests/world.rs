//! A notify function over ports in memory, a queue, and targets that answer as they are told to.

use std::collections::BTreeMap;
use std::sync::Mutex;

use drover_core::base::id::{EventId, Position, SubjectId, SubjectKey, TenantId};
use drover_core::base::scope::TenantScope;
use drover_core::base::severity::Severity;
use drover_core::base::time::Timestamp;
use drover_core::dead_letter::untold::Untold;
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

pub(super) const NOW: i64 = 1_800_000_000;
/// A target that remembers.
pub(super) const OPS: &str = "ops";
const TENANT: &str = r#"{"id":"demo","lateness_seconds":60,"idle_seconds":120,"targets":[
    {"id":"ops","kind":"webhook","url":"https://example.com","secret":{"file":"s"}},
    {"id":"am","kind":"alertmanager","url":"https://example.com"},
    {"id":"mail","kind":"sns","topic":"arn:aws:sns:eu-central-1:111122223333:t","digest":true}]}"#;

/// What a target does with a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Taken,
    Failed,
    /// The try arrives, and its answer does not.
    Lost,
    Wait(i64),
    Gone,
    /// It does not answer.
    Hangs,
}

/// A try: the second, the id, the news, and whether it arrived.
#[derive(Clone, Debug)]
pub(super) struct Try {
    pub(super) at: i64,
    pub(super) id: String,
    pub(super) news: News,
    pub(super) alert: String,
    pub(super) severity: String,
    pub(super) summary: String,
    pub(super) arrived: bool,
}

/// The targets.
#[derive(Clone, Default)]
pub(super) struct Targets {
    answers: Arc<Mutex<BTreeMap<String, Vec<Answer>>>>,
    pub(super) tries: Arc<Mutex<BTreeMap<String, Vec<Try>>>>,
}

impl Targets {
    fn answer(&self, target: &str) -> Answer {
        let mut answers = self.answers.lock().unwrap();
        let answers = answers.entry(target.to_owned()).or_default();
        if answers.is_empty() { Answer::Taken } else { answers.remove(0) }
    }
}

impl Sender for Targets {
    async fn send(&self, target: &Target, notification: &Notification) -> Result<(), NotSent> {
        let answer = self.answer(&target.id);
        let at = notification.at.whole_seconds();
        let (id, news) = (notification.id.clone(), notification.news);
        let (alert, severity) =
            (notification.text("/id").to_owned(), notification.text("/severity").to_owned());
        let summary = notification.text("/summary").to_owned();
        let arrived = matches!(answer, Answer::Taken | Answer::Lost);
        let a_try = Try { at, id, news, alert, severity, summary, arrived };
        self.tries.lock().unwrap().entry(target.id.clone()).or_default().push(a_try);
        if answer == Answer::Hangs {
            std::future::pending::<()>().await;
        }
        let failed =
            |wait_seconds| NotSent::Failed { reason: "it failed".to_owned(), wait_seconds };
        match answer {
            Answer::Taken | Answer::Hangs => Ok(()),
            Answer::Failed | Answer::Lost => Err(failed(None)),
            Answer::Wait(seconds) => Err(failed(Some(seconds))),
            Answer::Gone => Err(NotSent::Gone { reason: "it is gone".to_owned() }),
        }
    }
}

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

    // -- What happens to the alert.

    fn position(at: Timestamp) -> Position {
        Position { observed_at: at, sequence: 0, event_id: EventId::parse("e").unwrap() }
    }

    /// The alert opens, and its targets are to look at it.
    pub(super) fn open(&mut self) {
        self.reopen();
        self.look();
    }

    pub(super) fn reopen(&mut self) {
        let opened = Moment::of(&Self::position(self.now()));
        self.episode = Some(Episode {
            rule: Arc::from("hot"),
            version: 1,
            opened,
            closed: None,
            severity: Severity::Warning,
            value: None,
        });
        self.learn();
    }

    /// The alert opens by an event that comes two hours late.
    pub(super) fn open_by_backlog(&mut self) {
        let position = Self::position(self.now().plus_seconds(-7_200));
        let episode = Episode {
            rule: Arc::from("hot"),
            version: 1,
            opened: Moment::of(&position),
            closed: None,
            severity: Severity::Warning,
            value: None,
        };
        let entry = Entry {
            position,
            id_origin: IdOrigin::Given,
            event_type: "t".into(),
            contract: "telemetry".into(),
            contract_version: 0,
            ingested_at: self.now(),
            payload: "{}".into(),
            placing: Placing::default(),
        };
        self.backlog.add([&Arc::new(entry)], std::slice::from_ref(&episode));
        self.episode = Some(episode);
        self.learn();
    }

    pub(super) fn resolve(&mut self) {
        let now = self.now();
        if let Some(episode) = &mut self.episode {
            episode.closed.get_or_insert((Moment::time(now), Ending::Cleared));
        }
        self.learn();
    }

    pub(super) fn continue_episode(&mut self) {
        if let Some(episode) = &mut self.episode {
            episode.closed = None;
        }
        self.learn();
    }

    pub(super) fn raise(&mut self) {
        if let Some(episode) = &mut self.episode {
            episode.severity = Severity::Critical;
        }
        self.learn();
    }

    pub(super) fn shift(&mut self) {
        if let Some(episode) = &mut self.episode {
            episode.opened = Moment::of(&Self::position(episode.opened.at.plus_seconds(-1)));
        }
        self.learn();
    }

    pub(super) fn retract(&mut self) {
        self.episode = None;
        self.learn();
    }

    pub(super) fn forget(&mut self) {
        self.memory.state().outputs.alerts.clear();
    }

    pub(super) fn act(&mut self, act: Act) {
        let Some(alert) = self.alert() else { return };
        let remark = Remark { by: "ann".into(), at: self.now(), note: "".into() };
        let Ok(acted) = alert.acted(
            act,
            remark,
            self.reflected.map_or(CommitId::default(), |reflected| reflected.commit),
        ) else {
            return;
        };
        let write = AlertWrite { old: Some(alert), new: Some(acted) };
        self.write(&[write]);
    }

    /// What the relay does after a commit.
    fn learn(&mut self) {
        self.version += 1;
        let known = KnownEpisodes {
            from: None,
            last_at: Some(self.now()),
            episodes: self.episode.iter().cloned().collect(),
            seen_by: CommitId { era: 0, version: self.version },
            cause: Cause::History,
            backlog: self.backlog.clone(),
        };
        let inner: &Memory = &self.memory;
        let stored = inner.alerts(&Self::subject(), Timestamp::MIN).now_or_never();
        let SubjectAlerts { alerts, reflected } = stored.unwrap().unwrap().answer;
        self.reflected = reflected;
        let writes = known.reconcile(&Self::subject(), alerts, (&|_| false, self.now()));
        self.write(&writes);
    }

    fn write(&mut self, writes: &[AlertWrite]) {
        if writes.is_empty() {
            return;
        }
        let revision = self.reflected.map_or(0, |reflected| reflected.revision) + 1;
        let commit = CommitId { era: 0, version: self.version };
        let new = Reflected { commit, revision };
        let (subject, now) = (Self::subject(), self.now());
        let inner: &Memory = &self.memory;
        let written = inner.write_alerts(&subject, self.reflected, new, writes, now).now_or_never();
        assert!(written.unwrap().unwrap().answer);
        self.reflected = Some(new);
    }

    // -- The queue.

    pub(super) fn look_of(&self, target: &str) -> Look {
        let alert = self.alert().map_or_else(|| self.known_id(), |alert| alert.id);
        Self::look_at(alert, target)
    }

    fn look_at(alert: AlertId, target: &str) -> Look {
        Look {
            tenant: "demo".to_owned(),
            subject: Some("device/d-1".to_owned()),
            alert,
            target: target.to_owned(),
            again: false,
            repeat: false,
            digest: false,
        }
    }

    /// The id of the alert that is gone: that of its records.
    fn known_id(&self) -> AlertId {
        let state = self.memory.state();
        let (_, id) = state.outputs.deliveries.keys().find(|(_, key)| key.len() == 32).unwrap();
        AlertId::parse(id).unwrap()
    }

    /// The relay has both targets look.
    pub(super) fn look(&mut self) {
        let mut ids: Vec<AlertId> = self.alerts().into_iter().map(|alert| alert.id).collect();
        if ids.is_empty() && !self.memory.state().outputs.deliveries.is_empty() {
            ids.push(self.known_id());
        }
        for id in ids {
            for target in [OPS, "am"] {
                self.send(Self::look_at(id.clone(), target));
            }
        }
    }

    pub(super) fn send(&mut self, look: Look) {
        let receipt = self.queue.len().to_string() + "-" + &self.received.to_string();
        self.received += 1;
        let visible_at = self.now();
        self.queue.push(Queued { receipt, body: look.body().unwrap(), visible_at });
    }

    pub(super) fn simulate(&mut self, target: &str) -> AlertId {
        let simulated = Simulated::new(Severity::Info, "a test".to_owned(), "ann", (self.now(), 7));
        let (id, json) = (simulated.id.clone(), simulated.stored().unwrap());
        let inner: &Memory = &self.memory;
        let scope = self.scope();
        let put = inner.put_simulated(&scope, &id, &json, simulated.expires_at());
        put.now_or_never().unwrap().unwrap();
        let look = Look {
            tenant: "demo".to_owned(),
            subject: None,
            alert: id.clone(),
            target: target.to_owned(),
            again: false,
            repeat: false,
            digest: false,
        };
        self.send(look);
        id
    }

    /// Delivers the message at this place among those that are visible. `false`: none is.
    pub(super) fn deliver(&mut self, at: usize) -> bool {
        let now = self.now();
        let visible: Vec<usize> =
            (0..self.queue.len()).filter(|index| self.queue[*index].visible_at <= now).collect();
        if visible.is_empty() {
            return false;
        }
        let index = visible[at % visible.len()];
        let message = &mut self.queue[index];
        message.visible_at = now.plus_seconds(90);
        let (receipt, body) = (message.receipt.clone(), message.body.clone());
        let failures = self.invoke(&receipt, &body).unwrap();
        if failures == 0 {
            self.queue.retain(|queued| queued.receipt != receipt);
        }
        let (looks, postponed) = {
            let outputs = &mut self.memory.state().outputs;
            (std::mem::take(&mut outputs.looks), std::mem::take(&mut outputs.postponed))
        };
        for (receipt, seconds) in postponed {
            let hidden = self.queue.iter_mut().filter(|queued| queued.receipt == receipt);
            hidden.for_each(|queued| queued.visible_at = now.plus_seconds(seconds.into()));
        }
        for (due, look) in looks {
            self.send(look);
            let last = self.queue.last_mut().unwrap();
            last.visible_at = due;
        }
        true
    }

    /// Delivers each message that is visible once.
    pub(super) fn deliver_once(&mut self) {
        for _ in 0..self.queue.len() {
            self.deliver(0);
        }
    }

    /// Delivers messages for two days, or until the queue is empty.
    pub(super) fn run(&mut self) {
        self.run_until(self.now().whole_seconds() + 2 * 24 * 3_600);
    }

    pub(super) fn run_until(&mut self, end: i64) {
        for _ in 0..20_000 {
            if self.deliver(0) {
                continue;
            }
            let next = self.queue.iter().map(|queued| queued.visible_at).min();
            let Some(next) = next.filter(|next| *next <= second(end)) else { break };
            self.memory.state().now = next;
            // A target that forgets is told for ever.
            if self.is_quiet() {
                break;
            }
        }
    }

    /// Whether all that is left are repetitions for a target that forgets.
    fn is_quiet(&self) -> bool {
        let looks: Vec<Look> = self.queue.iter().filter_map(|one| Look::read(&one.body)).collect();
        let tries = self.targets.tries.lock().unwrap();
        let repeats = tries.get("am").map_or(0, Vec::len);
        looks.iter().all(|look| look.target == "am") && repeats > 40
    }

    fn invoke(&self, receipt: &str, body: &str) -> Result<usize, String> {
        let record = json!({
            "messageId": receipt, "receiptHandle": receipt, "body": body, "eventSource": "aws:sqs",
        });
        self.invoke_raw(&json!({ "Records": [record] }).to_string())
    }

    /// The messages in the queue.
    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Delivers a message for the first time, which has to wait; returns how many seconds.
    pub(super) fn receive_first(&self, look: &Look) -> u32 {
        let record = json!({
            "messageId": "m", "receiptHandle": "m", "body": look.body().unwrap(),
            "eventSource": "aws:sqs", "attributes": { "ApproximateReceiveCount": "1" },
        });
        assert_eq!(self.invoke_raw(&json!({ "Records": [record] }).to_string()), Ok(1));
        self.memory.state().outputs.postponed.pop().unwrap().1
    }

    /// Delivers messages about simulated alerts to a target that hangs. Returns the number of tries.
    pub(super) fn invoke_while_hanging(&self, count: u64) -> usize {
        self.answers(OPS, &vec![Answer::Hangs; 200]);
        let mut records = Vec::new();
        for number in 0..count {
            let when = (self.now(), number);
            let simulated = Simulated::new(Severity::Info, "a test".to_owned(), "ann", when);
            let (id, json) = (simulated.id.clone(), simulated.stored().unwrap());
            let (inner, scope): (&Memory, _) = (&self.memory, self.scope());
            let put = inner.put_simulated(&scope, &id, &json, simulated.expires_at());
            put.now_or_never().unwrap().unwrap();
            let look = Look { subject: None, ..Self::look_at(id, OPS) };
            records.push(json!({
                "messageId": number.to_string(), "receiptHandle": number.to_string(),
                "body": look.body().unwrap(), "eventSource": "aws:sqs",
            }));
        }
        let event = json!({ "Records": records }).to_string();
        let event = serde_json::value::RawValue::from_string(event).unwrap();
        let answered = self.notify.handle(LambdaEvent::new(event, Context::default()));
        assert!(answered.now_or_never().is_none(), "the batch waits for the tries");
        self.all(OPS).len()
    }

    pub(super) fn invoke_with(&self, body: &str) -> Result<usize, String> {
        self.invoke("r", body)
    }

    /// The number of messages that have to come again.
    pub(super) fn invoke_raw(&self, event: &str) -> Result<usize, String> {
        let event = serde_json::value::RawValue::from_string(event.to_owned()).unwrap();
        let answered = self.notify.handle(LambdaEvent::new(event, Context::default()));
        let response = answered.now_or_never().unwrap().map_err(|failed| failed.to_string())?;
        let response: Value = serde_json::from_str(response.get()).unwrap();
        Ok(response["batchItemFailures"].as_array().unwrap().len())
    }

    // -- What was seen.

    /// The news that arrived, each id once.
    pub(super) fn news(&self, target: &str) -> Vec<News> {
        let (mut ids, mut news) = (Vec::new(), Vec::new());
        for a_try in self.all(target).into_iter().filter(|a_try| a_try.arrived) {
            if !ids.contains(&a_try.id) {
                ids.push(a_try.id);
                news.push(a_try.news);
            }
        }
        news
    }

    pub(super) fn all(&self, target: &str) -> Vec<Try> {
        self.targets.tries.lock().unwrap().get(target).cloned().unwrap_or_default()
    }

    pub(super) fn tries(&self, target: &str) -> Vec<(i64, String)> {
        self.all(target).into_iter().map(|a_try| (a_try.at, a_try.id)).collect()
    }

    pub(super) fn arrivals(&self, target: &str) -> Vec<(i64, News)> {
        let arrived = self.all(target).into_iter().filter(|a_try| a_try.arrived);
        arrived.map(|a_try| (a_try.at, a_try.news)).collect()
    }

    pub(super) fn letters(&self) -> Vec<Untold> {
        let state = self.memory.state();
        let read = state.letters.iter().filter_map(|letter| Untold::read(&letter.body));
        read.map(|(_, untold)| untold).collect()
    }
}
