//! Tests of invocations over ports in memory: what is sent, what comes again, and who waits for whom.

use std::sync::Mutex;

use drover_core::base::error::Reason;
use drover_core::base::metrics::Counts;
use drover_core::base::time::Timestamp;
use drover_core::dead_letter::unsent::Unsent;
use drover_core::intake::record::{Incoming, Record, Source};
use drover_core::memory::Memory;
use drover_core::outputs::record::FeedRecord;
use drover_core::outputs::timers::TimerKind;
use drover_core::pipeline::settings::PipelineSettings;
use drover_core::pipeline::{Disposition, Pipeline};
use drover_core::ports::{FeedTarget, NotPublished};
use futures_util::FutureExt as _;
use lambda_runtime::Context;
use serde_json::{Value, json};

use super::*;

const NOW: i64 = 1_800_000_000;
const CONTRACT: &str = r#"{
    "name": "mine", "subject": {"kind": "device", "id": {"path": "/id"}},
    "type": {"const": "seen"}, "observed_at": {"path": "/at", "format": "epoch"},
    "payload": {"path": ""}
}"#;
const SETTINGS: PipelineSettings = PipelineSettings { cache_bytes: 1 << 20, concurrency: 4 };

/// What a topic does with a record.
type Answers = fn(&str, &FeedRecord) -> Result<(), NotPublished>;

/// Topics in memory.
#[derive(Clone)]
struct Topics {
    answers: Arc<Mutex<Answers>>,
    records: Arc<Mutex<Vec<(String, FeedRecord)>>>,
    calls: Arc<Mutex<Vec<String>>>,
}

impl FeedTarget for Topics {
    async fn publish(
        &self,
        topic: &str,
        records: &[FeedRecord],
        _deadline: Timestamp,
    ) -> Vec<Result<(), NotPublished>> {
        self.calls.lock().unwrap().push(topic.to_owned());
        let answers = *self.answers.lock().unwrap();
        let results: Vec<_> = records.iter().map(|record| answers(topic, record)).collect();
        let taken = records.iter().zip(&results).filter(|(_, result)| result.is_ok());
        let taken = taken.map(|(record, _)| (topic.to_owned(), record.clone()));
        self.records.lock().unwrap().extend(taken);
        results
    }
}

/// Keeps the sum of all counts.
#[derive(Default)]
struct Counted(Mutex<Counts>);

impl Meter for Counted {
    fn record(&self, function: &'static str, tally: &Tally, _now: Timestamp) {
        assert_eq!(function, FUNCTION);
        tally.tenants.values().for_each(|counts| self.0.lock().unwrap().merge(counts.clone()));
    }
}

struct Fixture {
    memory: Memory,
    pipeline: Pipeline,
    relay: Relay<Memory, Topics>,
    topics: Topics,
    counted: Arc<Counted>,
    /// The change stream.
    stream: Vec<Value>,
}

impl Fixture {
    fn new() -> Self {
        let memory = Memory::new(second(1_000));
        memory.put_document(
            "T#demo",
            r#"{"id":"demo","feeds":["ordered","settled","views"],"lateness_seconds":0}"#,
        );
        memory.put_document(
            "T#acme",
            r#"{"id":"acme","feeds":["ordered"],"feed_prefix":"acme","lateness_seconds":0}"#,
        );
        memory.put_document("T#quiet", r#"{"id":"quiet"}"#);
        memory.put_document("R#known", r#"{"contract":"mine","tenant":{"header":"tenant"}}"#);
        memory.put_contract("mine", CONTRACT);
        memory.put_document("REV", "{}");
        let answers: Answers = |_, _| Ok(());
        let topics = Topics {
            answers: Arc::new(Mutex::new(answers)),
            records: Arc::default(),
            calls: Arc::default(),
        };
        let counted = Arc::new(Counted::default());
        let settings = Settings {
            ledger_table: "ledger".into(),
            concurrency: 4,
            item_limits: ItemLimits::STANDARD,
        };
        let meter = Arc::clone(&counted) as Arc<dyn Meter>;
        let relay = Relay::new(memory.clone(), topics.clone(), settings, meter);
        let (pipeline, stream) = (SETTINGS.pipeline(), Vec::new());
        Self { memory, pipeline, relay, topics, counted, stream }
    }

    /// Commits one event for each of these times, and appends the change to the stream.
    fn commit(&mut self, tenant: &str, device: &str, times: &[i64]) {
        let place = format!("T#{tenant}#S#device#{device}");
        let head = |memory: &Memory| {
            let state = memory.state();
            let mut heads = state.heads.iter().filter(|(key, _)| key.ends_with(&place));
            heads.next().map(|(_, head)| head.clone())
        };
        let old = head(&self.memory);
        let records = times.iter().map(|at| Incoming::Record(record(tenant, device, *at)));
        let processed = self.pipeline.process(&self.memory, records.collect(), Timestamp::MAX);
        let report = processed.now_or_never().expect("memory never waits").expect("it runs");
        assert!(report.dispositions.iter().all(|one| *one == Disposition::Applied), "{report:?}");
        let new = head(&self.memory).expect("a head");
        let number = self.stream.len().to_string();
        self.stream.push(change(&place, &number, old.as_ref(), &new));
    }

    /// Delivers records of the stream; the numbers of those that have to come again.
    fn deliver(&self, records: &[Value]) -> Vec<String> {
        let event = json!({ "Records": records }).to_string();
        let event = serde_json::value::RawValue::from_string(event).unwrap();
        let answered = self.relay.handle(LambdaEvent::new(event, Context::default()));
        let response = answered.now_or_never().expect("memory never waits").expect("an event");
        let response: Value = serde_json::from_str(response.get()).unwrap();
        let failures = response["batchItemFailures"].as_array().unwrap().iter();
        failures.map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned()).collect()
    }

    fn command(&self, command: &Value) -> Value {
        let event = serde_json::value::RawValue::from_string(command.to_string()).unwrap();
        let answered = self.relay.handle(LambdaEvent::new(event, Context::default()));
        let answer = answered.now_or_never().expect("memory never waits").expect("a command");
        serde_json::from_str(answer.get()).unwrap()
    }

    fn answer(&self, answers: Answers) {
        *self.topics.answers.lock().unwrap() = answers;
    }

    /// The ids of the records in a topic that were sent since the last call, in order.
    fn sent(&self, topic: &str) -> Vec<String> {
        let mut records = self.topics.records.lock().unwrap();
        let (mine, others) =
            std::mem::take(&mut *records).into_iter().partition(|(to, _)| to == topic);
        *records = others;
        let mine: Vec<(String, FeedRecord)> = mine;
        let id = |record: &FeedRecord| record.attribute("id").unwrap().to_owned();
        mine.iter().map(|(_, record)| id(record)).collect()
    }

    /// The subjects with an armed timer of this kind.
    fn armed(&self, kind: TimerKind) -> Vec<String> {
        let state = self.memory.state();
        let keys = state.outputs.armed.keys().filter(|key| key.kind == kind);
        keys.map(|key| key.subject.subject().to_string()).collect()
    }

    fn counted(&self, metric: Metric) -> f64 {
        self.counted.0.lock().unwrap().get(metric)
    }
}

fn second(at: i64) -> Timestamp {
    Timestamp::from_micros(NOW * 1_000_000).unwrap().plus_seconds(at)
}

fn record(tenant: &str, device: &str, at: i64) -> Record {
    let stamp = second(1_000);
    Record {
        source: Source::Kafka {
            topic: Arc::from("known"),
            partition: 0,
            offset: at,
            timestamp: Some(stamp.micros() / 1_000),
            element: None,
        },
        key: None,
        value: Some(format!(r#"{{"id":"{device}","at":{}}}"#, NOW + at).into_bytes()),
        headers: vec![("tenant".to_owned(), tenant.as_bytes().to_vec())],
        received_at: Some(stamp),
        ingested_at: stamp,
    }
}

fn change(
    partition_key: &str,
    number: &str,
    old: Option<&drover_core::ledger::StoredHead>,
    new: &drover_core::ledger::StoredHead,
) -> Value {
    let image = |head: &drover_core::ledger::StoredHead| {
        let bytes = base64(&head.bytes);
        json!({ "v": { "N": head.version.to_string() }, "d": { "B": bytes } })
    };
    let mut dynamodb = json!({
        "Keys": { "pk": { "S": partition_key }, "sk": { "B": "SA==" } },
        "ApproximateCreationDateTime": NOW, "SizeBytes": 1, "SequenceNumber": number,
        "NewImage": image(new),
    });
    if let Some(old) = old {
        dynamodb["OldImage"] = image(old);
    }
    json!({
        "eventID": number, "eventName": "MODIFY", "awsRegion": "eu-central-1",
        "eventSourceARN": "arn:aws:dynamodb:eu-central-1:0:table/ledger/stream/1",
        "dynamodb": dynamodb,
    })
}

fn base64(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

/// The text of a position begins with its time.
fn times(ids: &[String]) -> Vec<i64> {
    let seconds = |id: &String| {
        let time = id.split_once('/').map_or("", |(time, _)| time);
        Timestamp::parse_rfc3339(time).map(|time| time.whole_seconds() - NOW)
    };
    ids.iter().filter_map(seconds).collect()
}

fn down() -> NotPublished {
    NotPublished::Unavailable(Unavailable::new(Reason::Unreachable, "down"))
}

#[test]
fn every_event_is_sent_to_each_feed_and_what_comes_twice_is_the_same() {
    let mut fixture = Fixture::new();
    fixture.commit("demo", "d-1", &[10, 20]);
    fixture.commit("demo", "d-1", &[30, 15]);
    assert_eq!(fixture.deliver(&fixture.stream), Vec::<String>::new());
    let ordered = fixture.sent("drover.ordered");
    assert_eq!(times(&ordered), [10, 20, 15, 30]);
    let settled = fixture.sent("drover.settled");
    assert_eq!(times(&settled), [10, 20, 15, 30]);
    assert_eq!(settled.iter().filter(|id| id.starts_with('c')).count(), 1, "15 came late");
    assert_eq!(fixture.sent("drover.views"), ["v0.2"], "once for both commits");
    assert!((fixture.counted(Metric::FeedRecordsSent) - 10.0).abs() < f64::EPSILON);

    fixture.deliver(&fixture.stream);
    assert_eq!(fixture.sent("drover.ordered"), ordered);
    assert_eq!(fixture.sent("drover.settled"), settled);
}

#[test]
fn a_target_that_is_down_gets_everything_later() {
    let mut fixture = Fixture::new();
    fixture.commit("demo", "d-1", &[10]);
    fixture.commit("demo", "d-2", &[10]);
    fixture.commit("demo", "d-1", &[20]);
    fixture.answer(|topic, record| {
        let is_second = record.attribute("time").is_some_and(|time| time.contains(":20"));
        if topic == "drover.settled" && is_second { Err(down()) } else { Ok(()) }
    });
    assert_eq!(fixture.deliver(&fixture.stream), ["2"]);
    assert!((fixture.counted(Metric::RecordsReturned) - 1.0).abs() < f64::EPSILON);
    fixture.answer(|_, _| Ok(()));
    fixture.topics.records.lock().unwrap().clear();
    assert_eq!(fixture.deliver(&fixture.stream[2..]), Vec::<String>::new());
    assert_eq!(times(&fixture.sent("drover.settled")), [20]);
    assert_eq!(fixture.sent("drover.views"), ["v0.2"]);

    fixture.answer(|topic, _| if topic == "drover.views" { Err(down()) } else { Ok(()) });
    assert_eq!(fixture.deliver(&fixture.stream), ["1", "2"], "the last change of each subject");
}

#[test]
fn a_closed_topic_of_one_tenant_delays_no_other() {
    let mut fixture = Fixture::new();
    fixture.commit("acme", "d-1", &[10]);
    fixture.commit("demo", "d-1", &[10]);
    fixture.commit("acme", "d-1", &[20]);
    fixture.answer(|topic, _| match topic {
        "acme.ordered" => {
            let missing = Unavailable::new(Reason::Misconfigured, "no such topic");
            Err(NotPublished::Closed(missing))
        }
        _ => Ok(()),
    });
    assert_eq!(fixture.deliver(&fixture.stream), Vec::<String>::new());
    assert_eq!(times(&fixture.sent("drover.ordered")), [10]);
    assert!((fixture.counted(Metric::FeedRecordsSkipped) - 2.0).abs() < f64::EPSILON);
    let tried = fixture.topics.calls.lock().unwrap().clone();
    assert_eq!(tried.iter().filter(|topic| *topic == "acme.ordered").count(), 1);
    assert_eq!(fixture.armed(TimerKind::Resend), ["device/d-1"], "it is sent again later");
    assert_eq!(fixture.armed(TimerKind::Release), Vec::<String>::new(), "nothing is unsettled");

    fixture.answer(|_, _| Ok(()));
    fixture.memory.state().now = second(1_060);
    fixture.commit("acme", "d-1", &[30]);
    fixture.deliver(&fixture.stream[3..]);
    assert_eq!(times(&fixture.sent("acme.ordered")), [30], "it is tried again after a while");
}

#[test]
fn a_record_that_its_topic_refuses_becomes_a_letter_and_blocks_nothing() {
    let mut fixture = Fixture::new();
    fixture.commit("demo", "d-1", &[10, 20, 30]);
    fixture.answer(|topic, record| {
        let is_second = record.attribute("time").is_some_and(|time| time.contains(":20"));
        if topic == "drover.ordered" && is_second {
            let large = Unavailable::new(Reason::Misconfigured, "too large");
            return Err(NotPublished::Refused(large));
        }
        Ok(())
    });
    assert_eq!(fixture.deliver(&fixture.stream), Vec::<String>::new());
    assert_eq!(times(&fixture.sent("drover.ordered")), [10, 30]);
    let letters = fixture.memory.state().letters.clone();
    let [letter] = &letters[..] else { panic!("{letters:?}") };
    let (tenant, subject, unsent) = Unsent::read(&letter.body).expect("a letter");
    assert_eq!((tenant.as_str(), subject.to_string().as_str()), ("demo", "device/d-1"));
    assert_eq!((&*unsent.undelivered_commit, &*unsent.message), ("0.1", "too large"));
}

#[test]
fn a_head_that_cannot_be_read_becomes_a_letter_and_a_newer_one_waits() {
    let mut fixture = Fixture::new();
    fixture.commit("demo", "d-1", &[10]);
    fixture.commit("demo", "d-1", &[20]);
    let with_head = |mut record: Value, bytes: &[u8]| {
        let image = &mut record["dynamodb"]["NewImage"]["d"]["B"];
        *image = json!(base64(bytes));
        record
    };
    let corrupt = with_head(fixture.stream[0].clone(), &[0, 0]);
    assert_eq!(fixture.deliver(&[corrupt, fixture.stream[1].clone()]), Vec::<String>::new());
    assert_eq!(times(&fixture.sent("drover.ordered")), [20], "the next commit is sent");
    assert_eq!(fixture.memory.state().letters.len(), 1);

    let newer = with_head(fixture.stream[0].clone(), &[255, 0]);
    assert_eq!(fixture.deliver(&[newer, fixture.stream[1].clone()]), ["0", "1"]);
    assert_eq!(fixture.memory.state().letters.len(), 1);
    assert_eq!(fixture.sent("drover.ordered"), Vec::<String>::new());
}

#[test]
fn without_the_head_before_it_a_commit_sends_the_whole_history() {
    let mut fixture = Fixture::new();
    fixture.commit("demo", "d-1", &[10]);
    fixture.commit("demo", "d-1", &[20]);
    let mut record = fixture.stream[1].clone();
    record["dynamodb"]["OldImage"]["d"]["B"] = json!("AAAA");
    assert_eq!(fixture.deliver(&[record]), Vec::<String>::new());
    assert_eq!(times(&fixture.sent("drover.ordered")), [10, 20]);
}

#[test]
fn tenants_without_feeds_cost_nothing_and_unknown_ones_are_passed_over() {
    let mut fixture = Fixture::new();
    fixture.commit("quiet", "d-1", &[10]);
    fixture.commit("demo", "d-1", &[10]);
    fixture.memory.state().documents.remove("T#demo");
    assert_eq!(fixture.deliver(&fixture.stream), Vec::<String>::new());
    assert!(fixture.topics.calls.lock().unwrap().is_empty());
    assert!(fixture.counted(Metric::ReadUnits).abs() < f64::EPSILON);
}

#[test]
fn after_its_deadline_a_relay_sends_nothing_more() {
    let mut fixture = Fixture::new();
    fixture.commit("demo", "d-1", &[10]);
    let changes =
        stream::changes(&json!({ "Records": fixture.stream }).to_string(), "ledger").unwrap();
    let sent = fixture.relay.send(&changes, second(0)).now_or_never().expect("memory never waits");
    assert_eq!(sent.0.len(), 1);
    assert!(fixture.topics.calls.lock().unwrap().is_empty());
}

#[test]
fn resend_writes_the_heads_and_the_stream_sends_the_history_again() {
    let mut fixture = Fixture::new();
    for device in 0..3 {
        fixture.commit("demo", &format!("d-{device}"), &[10, 20]);
    }
    let heads = |fixture: &Fixture| fixture.memory.state().heads.clone();
    let before = heads(&fixture);
    let all = json!({ "action": "resend", "tenant": "demo" });
    assert_eq!(fixture.command(&all), json!({ "subjects": 3, "next_cursor": null }));
    let one = json!({ "action": "resend", "tenant": "demo", "subject": "device/d-1" });
    let touched = heads(&fixture);
    assert_eq!(fixture.command(&one), json!({ "subjects": 1, "next_cursor": null }));
    assert!(fixture.topics.calls.lock().unwrap().is_empty(), "only the stream sends");

    let records = before.iter().map(|(key, old)| change(key, "0", Some(old), &touched[key]));
    let records: Vec<Value> = records.collect();
    assert_eq!(fixture.deliver(&records), Vec::<String>::new());
    assert_eq!(times(&fixture.sent("drover.ordered")), [10, 20, 10, 20, 10, 20]);
    assert_eq!(fixture.sent("drover.views").len(), 3);
}

#[test]
fn a_command_that_makes_no_sense_is_answered_with_the_reason() {
    let fixture = Fixture::new();
    for (command, code) in [
        (json!({ "action": "send" }), "invalid_parameter"),
        (json!({ "action": "resend", "tenant": "demo", "subjects": "x" }), "invalid_parameter"),
        (json!({ "action": "resend", "tenant": "#" }), "invalid_id"),
        (json!({ "action": "resend", "tenant": "nobody" }), "unknown_tenant"),
        (json!({ "action": "resend", "tenant": "quiet" }), "no_feeds"),
        (json!({ "action": "resend", "tenant": "demo", "subject": "device/x" }), "not_found"),
    ] {
        assert_eq!(fixture.command(&command)["error"]["code"], code, "{command}");
    }
}

#[test]
fn a_subject_whose_records_arrived_out_of_order_is_sent_again_later() {
    let mut fixture = Fixture::new();
    fixture.commit("demo", "d-1", &[10, 20, 30]);
    fixture.answer(|topic, record| {
        let is_second = record.attribute("time").is_some_and(|time| time.contains(":20"));
        if topic == "drover.settled" && is_second { Err(down()) } else { Ok(()) }
    });
    assert_eq!(fixture.deliver(&fixture.stream), ["0"]);
    assert_eq!(times(&fixture.sent("drover.settled")), [10, 30]);
    assert_eq!(fixture.armed(TimerKind::Resend), ["device/d-1"]);
}

#[test]
fn the_sweep_releases_a_silent_subject_and_says_what_it_did() {
    let mut fixture = Fixture::new();
    fixture.memory.put_document(
        "T#demo",
        r#"{"id":"demo","feeds":["settled"],"lateness_seconds":100,"idle_seconds":60}"#,
    );
    fixture.commit("demo", "d-1", &[900, 1_000]);
    fixture.deliver(&fixture.stream);
    assert_eq!(times(&fixture.sent("drover.settled")), [900]);
    assert_eq!(fixture.armed(TimerKind::Release), ["device/d-1"]);
    let place = "T#demo#S#device#d-1";
    let old = fixture.memory.state().heads[place].clone();
    let sweep = json!({ "action": "sweep" });
    assert_eq!(fixture.command(&sweep)["timers"], json!({}), "nothing is due yet");

    fixture.memory.state().now = second(1_000 + 600);
    assert_eq!(fixture.command(&sweep)["timers"], json!({ "released": 1 }));
    let new = fixture.memory.state().heads[place].clone();
    fixture.deliver(&[change(place, "9", Some(&old), &new)]);
    assert_eq!(times(&fixture.sent("drover.settled")), [1_000]);
}
