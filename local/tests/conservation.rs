//! Conservation (promise 3) and replay equivalence (promise 8) from outside: events over HTTP and
//! records of other producers (valid, valid only later, invalid, or of a tenant that does not exist
//! yet) are sent while the host is killed. Then contract and tenant are corrected and the letters
//! are replayed, while the host is killed again. After each half, every source is in a history or
//! in an open letter, exactly once. The test reads only responses, tables and queues.

#![recursion_limit = "256"]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy does not recognize test helpers as tests"
)]

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use base64_simd::STANDARD;
use common::{post, run, sqs};
use drover_local::data_folder::running_host;
use drover_tests::chaos::process::Process;
use drover_tests::http::{Answer, Call};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const KEY: &str = "conservation-key";
const DEVICES: usize = 5;
const WITHIN: Duration = Duration::from_secs(120);

/// The kind of a source, which determines its result before and after the correction.
#[derive(Clone, Copy, PartialEq)]
enum Sort {
    Good,
    /// Valid for the later contract.
    Narrow,
    /// Valid for the tenant that is created later.
    Ghost,
    /// Never valid.
    Broken,
}

/// The name of the `at`-th source, which is the id of its event.
fn name(at: usize) -> String {
    format!("source-{at:05}")
}

fn sort(at: usize) -> Sort {
    match at % 10 {
        2 | 5 => Sort::Narrow,
        7 => Sort::Ghost,
        9 => Sort::Broken,
        _ => Sort::Good,
    }
}

/// Ten sources have one time of observation, and their sequence is the reverse of their order.
fn second(at: usize) -> f64 {
    static START: OnceLock<f64> = OnceLock::new();
    START.get_or_init(now).floor() - 3_600.0 + (at / 10) as f64
}

const fn turn(at: usize) -> usize {
    9 - at % 10
}

/// The first four of ten sources are elements of one record and of one device.
const fn is_element(at: usize) -> bool {
    at % 10 < 4
}

fn device(at: usize) -> String {
    format!("d{}", if is_element(at) { at / 10 % DEVICES } else { at % DEVICES })
}

fn reading(at: usize) -> Value {
    let n = if sort(at) == Sort::Narrow { json!("wide") } else { json!(at) };
    json!({"event": name(at), "at": second(at), "turn": turn(at), "n": n})
}

/// The records of these sources. A record of several elements has one that the contract ignores, and is
/// followed by a record that the contract ignores.
fn texts(sources: impl Iterator<Item = usize>) -> Vec<String> {
    let mut texts = Vec::new();
    let (elements, single): (Vec<usize>, Vec<usize>) = sources.partition(|at| is_element(*at));
    for together in elements.chunk_by(|one, next| one / 10 == next / 10) {
        let mut readings: Vec<Value> = together.iter().map(|at| reading(*at)).collect();
        readings.insert(1, json!({"test": true}));
        texts.push(json!({"id": device(together[0]), "readings": readings}).to_string());
        texts.push(json!({"ping": true}).to_string());
    }
    texts.extend(single.into_iter().map(|at| {
        let mut record = reading(at);
        record["id"] = json!(device(at));
        let end = if sort(at) == Sort::Broken { "}" } else { "" };
        format!("{record}{end}")
    }));
    texts
}

fn now() -> f64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64()
}

fn contract(n: &Value) -> Value {
    json!({
        "name": "meter", "subject": {"kind": "device", "id": {"path": "/id"}},
        "transform": [
            "select(.ping | not)",
            "| if has(\"readings\") then (. as $record | .readings[] | { id: $record.id } + .) else . end",
        ],
        "ignore": [{"path": "/test", "in": [true]}],
        "event_id": {"path": "/event"}, "type": {"const": "reading"},
        "observed_at": {"path": "/at", "format": "epoch"}, "sequence": {"path": "/turn"},
        "payload": {"path": ""}, "schema": {"properties": {"n": n}},
    })
}

fn tenant(id: &str) -> Value {
    let digits: String =
        Sha256::digest(format!("{KEY}-{id}")).iter().map(|byte| format!("{byte:02x}")).collect();
    let key =
        json!({"id": "k", "sha256": digits, "scopes": ["write", "read", "admin"], "local": true});
    json!({"id": id, "keep_rejected": true, "quota": null, "keys": [key]})
}

struct Site {
    data: PathBuf,
    folder: PathBuf,
    host: Process,
}

impl Site {
    fn data(&self) -> &str {
        self.data.to_str().unwrap()
    }

    async fn apply(&self, documents: &[(&str, Value)]) {
        for (path, document) in documents {
            let path = self.folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, document.to_string()).unwrap();
        }
        let folder = self.folder.to_str().unwrap();
        let (code, _, fault) = run(&["apply", folder, "--data", self.data()], "").await;
        assert_eq!(code, 0, "{fault}");
    }

    async fn produce(&self, sources: impl Iterator<Item = usize>, tenant: &str) {
        let lines = texts(sources);
        if lines.is_empty() {
            return;
        }
        let header = format!("tenant={tenant}");
        let words = ["produce", "meter", "-", "--header", &header, "--data", self.data()];
        let (code, _, fault) = run(&words, &lines.join("\n")).await;
        assert_eq!(code, 0, "{fault}");
    }

    /// Sends one request until it is answered.
    async fn call(&self, call: &Call, tenant: &str) -> Answer {
        let started = Instant::now();
        while started.elapsed() < WITHIN {
            let answer = call.send(self.host.http().await, &format!("{KEY}-{tenant}")).await;
            match answer {
                Some(answer) if answer.status < 500 => return answer,
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        panic!("{} is not answered", call.path);
    }

    async fn get(&self, path: &str, tenant: &str) -> Value {
        let answer = self.call(&Call::get(path), tenant).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer.json
    }

    /// Sends events over HTTP and returns the accepted events.
    async fn ingest(&self, sources: std::ops::Range<usize>) -> BTreeSet<String> {
        let lines = texts(sources.clone());
        let headers = vec![
            ("content-type", "application/x-ndjson".to_owned()),
            ("idempotency-key", format!("batch-{}", sources.start)),
        ];
        let path = "/api/v1/events?contract=meter".to_owned();
        let call = Call { method: "POST", path, headers, body: lines.join("\n").into_bytes() };
        let answer = self.call(&call, "keeper").await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        let results = answer.json["results"].as_array().unwrap().iter();
        let accepted = results.filter(|result| result["status"] == "accepted");
        accepted.map(|result| result["event_id"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until every event is in a table.
    async fn quiet(&self) {
        let started = Instant::now();
        let addresses = running_host(&self.data).unwrap().addresses;
        while started.elapsed() < WITHIN {
            let drained = self.host.metrics().await.is_some_and(|metrics| metrics.is_drained());
            let mut waiting = 0;
            // In this order, because a record may move from the event log to the buffer, and from
            // there to the letters.
            for queue in ["buffer", "dead-letters", "dead-letters-failed"] {
                let url = format!("http://{}/000000000000/drover-{queue}", addresses.sqs);
                let request = json!({"QueueUrl": url, "AttributeNames": ["All"]});
                let answer = sqs(&addresses, "GetQueueAttributes", request).await;
                for counted in ["", "NotVisible", "Delayed"] {
                    let count =
                        &answer["Attributes"][format!("ApproximateNumberOfMessages{counted}")];
                    waiting += count.as_str().unwrap().parse::<u64>().unwrap();
                }
            }
            if drained && waiting == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("something waits for ever");
    }

    /// The names of all events in a tenant's histories; each must occur once, and in the place that its time
    /// and sequence say.
    async fn histories(&self, tenant: &str) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for device in 0..DEVICES {
            let path = format!("/api/v1/events?device_id=d{device}&limit=1000");
            let answer = self.call(&Call::get(path), tenant).await;
            let events = answer.json["events"].as_array().into_iter().flatten();
            let history: Vec<&str> =
                events.map(|event| event["event_id"].as_str().unwrap()).collect();
            let place = |name: &&str| {
                let at: usize = name.strip_prefix("source-").unwrap().parse().unwrap();
                (at / 10, turn(at))
            };
            assert!(history.is_sorted_by_key(place), "d{device}: {history:?}");
            for name in history {
                assert!(names.insert(name.to_owned()), "{name} is there twice");
            }
        }
        names
    }

    /// The names of a tenant's letters in one state; each must occur once.
    async fn letters(&self, tenant: &str, state: &str) -> BTreeSet<String> {
        let path = format!("/api/v1/dead-letters?state={state}&limit=1000");
        let list = self.get(&path, tenant).await;
        let mut names = BTreeSet::new();
        for letter in list["letters"].as_array().unwrap() {
            let id = letter["id"].as_str().unwrap();
            let letter = self.get(&format!("/api/v1/dead-letters/{id}"), tenant).await;
            let value = letter["payload"].as_str().unwrap();
            let value = String::from_utf8(STANDARD.decode_to_vec(value).unwrap()).unwrap();
            // The element that is ignored has no name.
            let element = letter["source"]["element"].as_u64().unwrap_or(0);
            let element = usize::try_from(element).unwrap();
            let named = value.match_indices("source-").nth(element.saturating_sub(1));
            let (at, _) = named.unwrap();
            let name = value[at..at + name(0).len()].to_owned();
            assert!(names.insert(name.clone()), "two letters of {name}");
        }
        names
    }

    async fn command(&self, command: Value) -> Value {
        let address = running_host(&self.data).unwrap().addresses.lambda;
        let path = "/2015-03-31/functions/replay/invocations";
        let (status, answer) = post(address, path, "", &command).await.unwrap();
        assert_eq!(status, 200, "{answer}");
        answer
    }
}

fn expected(sources: usize, which: impl Fn(Sort) -> bool) -> BTreeSet<String> {
    (0..sources).filter(|at| which(sort(*at))).map(name).collect()
}

async fn start() -> (Site, tempfile::TempDir) {
    let location = tempfile::tempdir().unwrap();
    let data = location.path().join("data");
    let host = Process::start(Path::new(env!("CARGO_BIN_EXE_drover")), &data).await.unwrap();
    let site = Site { data, folder: location.path().join("config"), host };
    let route = json!({"contract": "meter", "tenant": {"header": "tenant"}});
    site.apply(&[
        ("tenants/keeper.json", tenant("keeper")),
        ("contracts/meter.json", contract(&json!({"type": "integer"}))),
        ("topics.json", json!({"topics": {"meter": route}})),
    ])
    .await;
    (site, location)
}

#[tokio::test(flavor = "multi_thread")]
async fn received_events_are_in_a_history_or_in_a_letter_once_whenever_the_host_dies() {
    const BATCH: usize = 40;
    const BATCHES: usize = 15;
    const SOURCES: usize = BATCH * BATCHES;
    let (mut site, _home) = start().await;
    let mut accepted = BTreeSet::new();
    for batch in 0..BATCHES {
        let sources = batch * BATCH..(batch + 1) * BATCH;
        if batch % 3 == 0 {
            // Events of an unknown tenant are possible over a topic only.
            let here = sources.clone().filter(|at| sort(*at) != Sort::Ghost);
            site.produce(here, "keeper").await;
        } else {
            let names = site.ingest(sources.clone()).await;
            accepted.extend(names);
        }
        if batch % 3 == 0 {
            site.produce(sources.filter(|at| sort(*at) == Sort::Ghost), "ghost").await;
        }
        if batch % 4 == 3 {
            site.host.kill_and_restart().await.unwrap();
        }
    }
    site.quiet().await;

    // Over HTTP the API key determines the tenant, so ghost events are valid events of the keeper.
    let is_ghost = |at: usize| sort(at) == Sort::Ghost && (at / BATCH).is_multiple_of(3);
    let ghosts: BTreeSet<String> = (0..SOURCES).filter(|at| is_ghost(*at)).map(name).collect();
    let good = expected(SOURCES, |sort| matches!(sort, Sort::Good | Sort::Ghost));
    let good: BTreeSet<String> = good.difference(&ghosts).cloned().collect();
    assert_eq!(site.histories("keeper").await, good);
    assert!(accepted.is_subset(&good));
    let bad = expected(SOURCES, |sort| matches!(sort, Sort::Narrow | Sort::Broken));
    assert_eq!(site.letters("keeper", "open").await, bad);
    let inspected = site.command(json!({"action": "inspect", "limit": 1_000})).await;
    assert_eq!(inspected["total"], ghosts.len());
    assert_eq!(inspected["counts"], json!({"unknown_tenant": ghosts.len()}));

    site.apply(&[
        ("tenants/ghost.json", tenant("ghost")),
        ("contracts/meter.json", contract(&json!({}))),
    ])
    .await;
    let replays = Call {
        method: "POST",
        path: "/api/v1/replays".to_owned(),
        headers: vec![("content-type", "application/json".to_owned())],
        body: json!({"rate": 20}).to_string().into_bytes(),
    };
    // The run needs nine seconds; the host is killed earlier.
    let address = site.host.http().await;
    let key = format!("{KEY}-keeper");
    let running = tokio::spawn(async move { replays.send(address, &key).await });
    let started = Instant::now();
    let id = loop {
        let runs = site.get("/api/v1/replays", "keeper").await;
        let run = &runs["replays"][0];
        if run["examined"].as_u64().is_some_and(|examined| examined > 0) {
            break run["replay_id"].as_str().unwrap().to_owned();
        }
        assert!(started.elapsed() < WITHIN, "{runs}");
    };
    site.host.kill_and_restart().await.unwrap();
    assert_eq!(running.await.unwrap(), None, "its answer went with the host");
    let path = format!("/api/v1/replays/{id}");
    let resume = Call { method: "POST", path, headers: Vec::new(), body: Vec::new() };
    let run = loop {
        let answer = site.call(&resume, "keeper").await;
        match answer.status {
            // The lease of the killed run expires by itself.
            409 => tokio::time::sleep(Duration::from_millis(500)).await,
            200 if answer.json["phase"] == "done" => break answer.json,
            200 => assert_eq!(answer.json["phase"], "paused", "{}", answer.text),
            _ => panic!("{}", answer.text),
        }
        assert!(started.elapsed() < WITHIN, "{}", answer.text);
    };
    let broken = expected(SOURCES, |sort| sort == Sort::Broken);
    assert_eq!(run["examined"], bad.len(), "{run}");
    assert_eq!(run["outcomes"]["malformed_json"], broken.len());
    let replayed = site.command(json!({"action": "replay", "rate": 1000, "by": "a test"})).await;
    // On a slow machine a lost response makes its event a duplicate.
    let outcome = |name: &str| replayed["outcomes"][name].as_u64().unwrap_or(0);
    let ghosts_applied = outcome("applied") + outcome("duplicate");
    assert_eq!(ghosts_applied, ghosts.len() as u64, "{replayed}");
    assert_eq!(replayed["phase"], "done", "{replayed}");

    let all = expected(SOURCES, |sort| sort != Sort::Broken);
    let keepers: BTreeSet<String> = all.difference(&ghosts).cloned().collect();
    assert_eq!(site.histories("keeper").await, keepers);
    assert_eq!(site.histories("ghost").await, ghosts);
    assert_eq!(site.letters("keeper", "open").await, broken);
    let resolved = site.letters("keeper", "resolved").await;
    assert_eq!(resolved, expected(SOURCES, |sort| sort == Sort::Narrow));
}
