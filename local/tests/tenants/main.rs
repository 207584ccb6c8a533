//! Two tenants that use the same names for everything, seen through HTTP only: on every route, each
//! tenant sees only its own values and counts.
//!
//! - [`alerts`]: alerts of each tenant
//! - [`question`]: the tenants, and the request for each route

#![recursion_limit = "256"]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy does not recognize test helpers as tests"
)]

mod alerts;
mod question;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use clap::Parser;
use drover_core::base::time::Timestamp;
use drover_local::commands::apply;
use drover_local::{Host, HostConfig};
use drover_tests::http::{Answer, Call};
use question::{ACME, DEMO, QUESTIONS, Question, Tenant, broken, hot, own_device, reading_id};
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

/// Longer than any step takes on a busy machine.
const WAIT: Duration = Duration::from_secs(60);
const EVENTS: &str = "/api/v1/events";

/// A host with the events of both tenants.
struct Running {
    host: Host,
    _data: TempDir,
    /// When the first event was observed.
    start: Timestamp,
    /// A letter, a run and an alert of each tenant, by its name.
    ids: BTreeMap<&'static str, [String; 3]>,
}

impl Running {
    async fn start() -> Self {
        let data = tempdir().unwrap();
        let host = Host::start(HostConfig::on_free_ports(data.path())).await.unwrap();
        // The host's clock, from its health response.
        let health = Call::get("/health").send(host.addresses().http, "").await.unwrap();
        let now = Timestamp::parse_rfc3339(health.json["timestamp"].as_str().unwrap()).unwrap();
        let start = now.plus_seconds(-600);
        apply_rules(data.path()).await;
        let mut running = Self { host, _data: data, start, ids: BTreeMap::new() };
        running.rejects_the_events_of_another_tenant().await;
        for own in [DEMO, ACME] {
            running.send_all(own).await;
        }
        for own in [DEMO, ACME] {
            running.until_processed(own).await;
            running.reject_records(own).await;
            let (letter, replay) = (running.letter(own).await, running.replay_nothing(own).await);
            let alert = alerts::put_two(running.host.addresses().dynamodb, own, start).await;
            running.ids.insert(own.name, [letter, replay, alert]);
            let posted =
                json!({"fingerprint": "same", "startsAt": start, "labels": {"value": own.value}});
            let answer = running.post(own, "/alert", &posted).await;
            assert_eq!((answer.status, &answer.json), (200, &json!({"received": 1})));
        }
        running
    }

    fn address(&self) -> SocketAddr {
        self.host.addresses().http
    }

    fn at(&self, second: i64) -> Timestamp {
        self.start.plus_seconds(second)
    }

    async fn get(&self, own: Tenant, target: &str) -> Answer {
        Call::get(target).send(self.address(), own.key).await.unwrap()
    }

    async fn post(&self, own: Tenant, target: &str, body: &Value) -> Answer {
        let headers = vec![("content-type", "application/json".to_owned())];
        let call =
            Call { method: "POST", headers, body: body.to_string().into(), ..Call::get(target) };
        call.send(self.address(), own.key).await.unwrap()
    }

    /// Sends all events, under names that both tenants use, with two values of the tenant's own.
    async fn send_all(&self, own: Tenant) {
        let reading = |device: &str, at: i64| {
            json!({"device_id": device, "event_type": "temperature", "event_id": reading_id(at),
                "timestamp": self.at(10 * at), "payload": {"value": own.reading(at)}})
        };
        let mut events: Vec<Value> = (0..own.readings).map(|at| reading("d-1", at)).collect();
        events.push(reading(&own_device(own), 0));
        let place = json!({"latitude": own.latitude, "longitude": 13});
        events.push(json!({"device_id": "d-2", "event_type": "location", "event_id": "p-1",
            "timestamp": self.at(3), "payload": place}));
        let message =
            json!({"id": "m-1", "user": "u-1", "message": own.name, "timestamp": self.at(5)});
        let lesson = json!({"events": [{"learner_id": "l-1", "course_id": "c-1", "lesson_id": "s-1",
            "event_type": "lesson_started", "event_data": {"note": own.name},
            "timestamp": self.at(4)}]});
        let by_contract = format!("{EVENTS}?contract=message");
        let posts =
            [(EVENTS, json!(events)), ("/collect", lesson), (by_contract.as_str(), message)];
        for (target, body) in posts {
            let answer = self.post(own, target, &body).await;
            assert_eq!((answer.status, &answer.json["rejected"]), (202, &json!(0)), "{target}");
        }
        let greeted = self.get(own, &format!("/current_time?name={}", own.name)).await;
        assert_eq!(greeted.json["message"], format!("Hello {}", own.name));
    }

    /// An event that names another tenant than the key's is rejected, wherever it names it.
    async fn rejects_the_events_of_another_tenant(&self) {
        let mut event = json!({"device_id": "d-1", "event_type": "temperature",
            "event_id": "stolen", "timestamp": self.at(1), "payload": {"value": 1}});
        let wrapping = json!({"tenant_id": ACME.name, "events": [event]});
        event["tenant_id"] = json!(ACME.name);
        for body in [wrapping, event.clone(), json!([event])] {
            let answer = self.post(DEMO, EVENTS, &body).await;
            assert_eq!(answer.status, 422, "{body}");
            assert!(answer.text.contains("tenant_mismatch"), "{}", answer.text);
        }
    }

    async fn until_processed(&self, own: Tenant) {
        let processed = tokio::time::timeout(WAIT, async {
            loop {
                let counted = self.get(own, "/api/v1/dashboard/metrics").await;
                if counted.json["events_processed"].as_i64() >= Some(own.events()) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        processed.await.unwrap();
    }

    /// Sends the processor two records that become letters, from the same source as the other
    /// tenant's.
    async fn reject_records(&self, own: Tenant) {
        let record = |offset: u32| {
            json!({"topic": "telemetry", "partition": 0, "offset": offset,
                "timestamp": 1_735_689_600_000_i64, "timestampType": "CREATE_TIME", "key": null,
                "value": base64_simd::STANDARD.encode_to_string(broken(own)),
                "headers": [{"tenant": own.name.as_bytes()}]})
        };
        let event = json!({"eventSource": "aws:kafka", "bootstrapServers": "localhost:9092",
            "records": {"telemetry-0": [record(0), record(1)]}});
        let path = "/2015-03-31/functions/processor/invocations";
        let call = Call { method: "POST", body: event.to_string().into(), ..Call::get(path) };
        let answer = call.send(self.host.addresses().lambda, "").await.unwrap();
        assert_eq!(answer.json, json!({"batchItemFailures": []}));
    }

    /// One of the letters, once they are filed.
    async fn letter(&self, own: Tenant) -> String {
        let filed = async {
            loop {
                let letters = self.get(own, "/api/v1/dead-letters").await.json;
                if letters["total"] == 2 {
                    return letters["letters"][0]["id"].as_str().unwrap().to_owned();
                }
            }
        };
        tokio::time::timeout(WAIT, filed).await.unwrap()
    }

    /// A run that matches no letter.
    async fn replay_nothing(&self, own: Tenant) -> String {
        let body = json!({"filter": {"code": "empty_value"}, "dry_run": true});
        let answer = self.post(own, "/api/v1/replays", &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json["replay_id"].as_str().unwrap().to_owned()
    }

    fn target(&self, own: Tenant, question: &Question) -> String {
        let [letter, replay, alert] = &self.ids[own.name];
        let target = question.target.replace("{after}", &self.at(15).to_string());
        let target = target.replace("{letter}", letter).replace("{replay}", replay);
        target.replace("{alert}", alert)
    }
}

#[derive(Parser)]
struct Apply {
    #[command(flatten)]
    args: apply::Args,
}

/// Gives each tenant of the host on this data folder a rule, under a name that both use.
async fn apply_rules(data: &Path) {
    let documents = tempdir().unwrap();
    let folder = documents.path().join("rules");
    std::fs::create_dir(&folder).unwrap();
    for own in [DEMO, ACME] {
        let rules = json!({"tenant": own.name, "rules": [hot(own)]});
        std::fs::write(folder.join(format!("{}.json", own.name)), rules.to_string()).unwrap();
    }
    let words =
        ["apply".as_ref(), documents.path().as_os_str(), "--data".as_ref(), data.as_os_str()];
    apply::run(&Apply::parse_from(words).args, "ann@cli").await.unwrap();
}

/// The whole response contains nothing of the other tenant.
fn check_only(own: Tenant, answer: &Answer, target: &str) {
    let other = if own == DEMO { ACME } else { DEMO };
    for mark in other.marks() {
        assert!(!answer.text.contains(&mark), "{} sees {mark} in {target}", own.name);
    }
}

#[tokio::test]
async fn every_read_shows_a_tenant_only_its_own_data() {
    let running = Running::start().await;
    for own in [DEMO, ACME] {
        for question in QUESTIONS {
            let target = running.target(own, question);
            let answer = running.get(own, &target).await;
            assert_eq!(answer.status, 200, "{} {target}: {}", own.name, answer.text);
            let shown = (question.shown)(&answer.json);
            assert_eq!(shown, (question.expected)(own), "{} {target}", own.name);
            check_only(own, &answer, &target);
        }
        let other = if own == DEMO { ACME } else { DEMO };
        let subject = format!("/api/v1/subjects/device/{}", own_device(other));
        assert_eq!(running.get(own, &subject).await.status, 404);
        let [_, replay, alert] = &running.ids[other.name];
        for theirs in [format!("/api/v1/replays/{replay}"), format!("/api/v1/alerts/{alert}")] {
            assert_eq!(running.get(own, &theirs).await.status, 404, "{theirs}");
        }
    }
    running.host.stop().await.unwrap();
}

#[tokio::test]
async fn a_cursor_of_one_tenant_is_invalid_for_the_other() {
    let running = Running::start().await;
    let mut routes = BTreeSet::new();
    for question in QUESTIONS {
        let target = running.target(DEMO, question);
        let answer = running.get(DEMO, &target).await;
        let Some(cursor) = answer.json["next_cursor"].as_str() else { continue };
        let next = format!("{target}&cursor={cursor}");
        assert_eq!(running.get(DEMO, &next).await.status, 200, "{target}");
        let stolen = running.get(ACME, &next).await;
        assert_eq!(
            (stolen.status, &stolen.json["code"]),
            (400, &json!("invalid_cursor")),
            "{next}"
        );
        check_only(ACME, &stolen, &next);
        routes.insert(question.route);
    }
    // The fourth route with cursors returns a first cursor only after 10,000 readings.
    let expected = ["/api/v1/alerts", "/api/v1/dead-letters", "/api/v1/events", "/api/v1/subjects"];
    assert_eq!(routes.into_iter().collect::<Vec<_>>(), expected);
    running.host.stop().await.unwrap();
}

/// A resend writes the heads of subjects: of the caller's own ones only, though both tenants have subjects with
/// the same names.
#[tokio::test]
async fn a_tenant_has_only_its_own_subjects_sent_again() {
    const RESEND: &str = "/api/v1/feeds/resend";
    let running = Running::start().await;
    let version = async |own: Tenant| {
        running.get(own, "/api/v1/subjects/device/d-1").await.json["version"].as_u64().unwrap()
    };
    let before = version(ACME).await;
    let of_demo = version(DEMO).await;
    let one = running.post(DEMO, RESEND, &json!({"subject": "device/d-1"})).await;
    let answered = json!({"subjects": 1, "next_cursor": null});
    assert_eq!((one.status, &one.json), (200, &answered), "{}", one.text);
    let all = running.post(DEMO, RESEND, &json!({"cursor": null})).await;
    assert_eq!((all.status, &all.json["subjects"]), (200, &json!(6)), "{}", all.text);
    assert_eq!(version(DEMO).await, of_demo + 2);
    assert_eq!(version(ACME).await, before);

    let stolen = json!({"subject": format!("device/{}", own_device(ACME))});
    let answer = running.post(DEMO, RESEND, &stolen).await;
    assert_eq!((answer.status, &answer.json["code"]), (404, &json!("not_found")));
    for (body, path) in [
        (json!({"tenant": "acme"}), "/tenant"),
        (json!({"subject": "d-1"}), "/subject"),
        (json!({"subject": format!("device/{}", "x".repeat(600))}), "/subject"),
        (json!({"subject": 1}), "/subject"),
        (json!({"cursor": "AA"}), "/cursor"),
        (json!({"subject": "device/d-1", "cursor": "AA"}), "/cursor"),
    ] {
        let answer = running.post(DEMO, RESEND, &body).await;
        let found = &answer.json["errors"][0]["path"];
        assert_eq!((answer.status, found), (400, &json!(path)), "{body}");
    }
    let large = json!({"subject": "x".repeat(20_000)});
    assert_eq!(running.post(DEMO, RESEND, &large).await.json["code"], "too_large");
    running.host.stop().await.unwrap();
}

#[test]
fn every_route_that_reads_with_a_key_is_asked() {
    let document: Value =
        serde_json::from_str(&drover_local::openapi::document().unwrap()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let reads = paths.iter().filter(|(_, methods)| {
        let security = methods["get"]["security"].as_array();
        security.is_some_and(|security| *security != [json!({"api_key": ["write"]})])
    });
    let reads: BTreeSet<&str> = reads.map(|(path, _)| path.as_str()).collect();
    let asked: BTreeSet<&str> = QUESTIONS.iter().map(|question| question.route).collect();
    assert_eq!(asked, reads, "routes of the document that QUESTIONS has, and those that read");
}
