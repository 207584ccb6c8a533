//! Forgetting a subject through a whole host: afterwards no table contains its content, whatever
//! happened to its events before, and another subject with the same events is unchanged.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "clippy does not recognize test helpers as tests"
)]

mod common;

use std::time::{SystemTime, UNIX_EPOCH};

use common::running::Running;
use common::{WAIT, dynamodb, run};
use drover_core::base::time::Timestamp;
use serde_json::{Value, json};

/// A device, and a marker in each of its payloads.
#[derive(Clone, Copy)]
struct Device {
    id: &'static str,
    marker: &'static str,
}

const FORGOTTEN: Device = Device { id: "sensor-a", marker: "marker-of-the-forgotten" };
const OTHER: Device = Device { id: "sensor-b", marker: "marker-of-the-other" };
/// The number of applied events of a device.
const APPLIED: i64 = 60;

/// A host, and where the next record stands.
struct Bench {
    running: Running,
    now: Timestamp,
    offset: i64,
}

impl Bench {
    /// Restarts with cold environments. A warm environment caches for a minute that a tenant is unknown.
    async fn restart(self) -> Self {
        Self { running: self.running.restart().await, ..self }
    }

    /// Sends records with these values to the processor, which must acknowledge all of them.
    async fn send(&mut self, tenant: Option<&str>, values: &[String]) {
        let header = tenant.map(|tenant| json!({ "tenant": tenant.as_bytes() }));
        let headers: Vec<Value> = header.into_iter().collect();
        let records = values.iter().map(|value| {
            self.offset += 1;
            json!({
                "topic": "telemetry", "partition": 0, "offset": self.offset, "key": null,
                "timestamp": self.now.micros() / 1_000, "timestampType": "CREATE_TIME",
                "value": base64_simd::STANDARD.encode_to_string(value.as_bytes()),
                "headers": headers,
            })
        });
        let event = json!({
            "eventSource": "aws:kafka", "bootstrapServers": "localhost:9092",
            "eventSourceArn": "arn:aws:kafka:us-east-1:000000000000:cluster/local/0",
            "records": { "telemetry-0": records.collect::<Vec<_>>() },
        });
        let answer = self.running.invoke("processor", &event).await;
        assert_eq!(answer, json!({ "batchItemFailures": [] }));
    }

    /// An event of a device, observed so many seconds ago.
    fn event(&self, Device { id, marker }: Device, seconds_ago: i64) -> String {
        let at = self.now.plus_seconds(-seconds_ago);
        json!({
            "device_id": id, "event_id": format!("e-{seconds_ago}"), "event_type": "custom",
            "timestamp": at.to_string(),
            "payload": { "note": marker, "noise": noise(id, seconds_ago) },
        })
        .to_string()
    }

    /// Runs a command and returns its output.
    async fn drover(&self, words: &[&str]) -> String {
        let folder = ["--data", self.running.folder()];
        let (code, out, error) = run(&[words, &folder].concat(), "").await;
        assert_eq!(code, 0, "{words:?}: {error}");
        out
    }

    async fn drover_json(&self, words: &[&str]) -> Value {
        serde_json::from_str(&self.drover(&[words, &["--json"]].concat()).await).unwrap()
    }

    /// Waits until so many letters are open.
    async fn open_letters(&self, of: &[&str], expected: u64) {
        let inspect = [&["replay", "inspect"], of].concat();
        let reached = async { while self.drover_json(&inspect).await["total"] != expected {} };
        let ended = tokio::time::timeout(WAIT, reached).await;
        assert!(ended.is_ok(), "{expected} are expected: {}", self.drover(&inspect).await);
    }

    async fn apply_newco(&self) {
        let newco = json!({ "id": "newco" });
        self.running.apply(&[("tenants/newco.json", newco)]).await.unwrap();
    }

    /// The items of all tables that contain a text.
    async fn items_with(&self, text: &str) -> Vec<Value> {
        let addresses = self.running.host.addresses();
        let tables = dynamodb(addresses, "ListTables", json!({})).await;
        let mut found = Vec::new();
        for table in tables["TableNames"].as_array().unwrap() {
            let mut scan = json!({ "TableName": table, "ConsistentRead": true });
            loop {
                let page = dynamodb(addresses, "Scan", scan.clone()).await;
                let items = page["Items"].as_array().unwrap().iter();
                found.extend(items.filter(|item| holds(item, text)).cloned());
                match page.get("LastEvaluatedKey") {
                    Some(key) => scan["ExclusiveStartKey"] = key.clone(),
                    None => break,
                }
            }
        }
        found
    }
}

/// Incompressible text, so that a page holds only a few events.
fn noise(id: &str, seed: i64) -> String {
    let parts = (0..12)
        .map(|part| drover_core::event::place_id(&[id.as_bytes(), &seed.to_be_bytes(), &[part]]));
    parts.map(|part| part.to_string()).collect()
}

/// Whether a value of the item contains this text, compressed or not.
fn holds(item: &Value, text: &str) -> bool {
    const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
    let has = |bytes: &[u8]| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    item.as_object().unwrap().values().any(|value| {
        let bytes = match (value["S"].as_str(), value["B"].as_str()) {
            (Some(text), _) => text.as_bytes().to_vec(),
            (_, Some(base64)) => base64_simd::STANDARD.decode_to_vec(base64).unwrap(),
            _ => Vec::new(),
        };
        let frames = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(&ZSTD));
        has(&bytes)
            || frames.filter_map(|at| zstd::decode_all(&bytes[at..]).ok()).any(|plain| has(&plain))
    })
}

/// The number of these items whose sort keys start with the prefix.
fn count(items: &[Value], prefix: &str) -> usize {
    let sort_keys = items.iter().filter_map(|item| item["sk"]["S"].as_str());
    sort_keys.filter(|key| key.starts_with(prefix)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forgotten_is_in_no_table_and_another_subject_is_where_it_was() {
    let running = Running::start().await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let now = Timestamp::from_millis(i64::try_from(now).unwrap()).unwrap();
    let mut bench = Bench { running, now, offset: 0 };

    // Events of an unknown tenant, then applied by a run that shows views.
    let early: Vec<String> =
        [FORGOTTEN, OTHER].map(|device| bench.event(device, APPLIED + 1)).into();
    bench.send(Some("newco"), &early).await;
    bench.open_letters(&[], 2).await;
    bench.apply_newco().await;
    let mut bench = bench.restart().await;
    let ran = ["replay", "run", "--of-tenant", "newco", "--views", "5"];
    let ran = bench.drover_json(&ran).await;
    assert_eq!(ran["outcomes"], json!({ "applied": 2 }));
    assert!(ran.to_string().contains(FORGOTTEN.marker), "the answer shows views");
    let id = ran["replay_id"].as_str().unwrap();
    let shown = bench.drover_json(&["replay", "show", id]).await;
    assert!(!shown.to_string().contains(FORGOTTEN.marker), "the record has none: {shown}");
    let digests = |run: &Value| -> Vec<Value> {
        let views = run["views"].as_array().unwrap().iter();
        views
            .map(|view| json!([view["subject"], view["before_digest"], view["after_digest"]]))
            .collect()
    };
    assert_eq!((digests(&shown), digests(&shown).len()), (digests(&ran), 2));

    // History, and several kinds of letters, of the tenant and of the operator.
    for device in [FORGOTTEN, OTHER] {
        let Device { id, marker } = device;
        let history: Vec<_> = (1..=APPLIED).rev().map(|at| bench.event(device, at)).collect();
        for batch in history.chunks(10) {
            bench.send(Some("newco"), batch).await;
        }
        let ahead = bench.event(device, -3_600);
        let snapshot = format!(r#"{{"device_id":"{id}","payload":{{"note":"{marker}"#);
        let escaped = json!({ "text": json!({ "device": id, "note": marker }).to_string() });
        bench.send(Some("newco"), &[ahead, snapshot.clone(), escaped.to_string()]).await;
        // Letters of the operator: one names its tenant, the other does not.
        let named = snapshot.replacen('{', r#"{"tenant":"newco","#, 1);
        bench.send(None, &[named]).await;
        let unnamed = snapshot.replace(marker, "no marker");
        bench.send(None, &[unnamed]).await;
    }
    bench.open_letters(&["--tenant", "newco"], 6).await;
    bench.open_letters(&[], 4).await;

    let before = bench.items_with(FORGOTTEN.marker).await;
    let other = bench.items_with(OTHER.marker).await;
    assert_eq!((count(&before, "C#"), count(&other, "C#")), (5, 5), "one for each letter");
    assert_eq!(count(&before, "R#"), 0, "records of runs have no views");
    assert!(before.len() > 7, "and pages: {}", before.len());

    let forget = ["forget", "newco", "device/sensor-a", "--topic-days", "7"];
    let receipt = bench.drover_json(&forget).await;
    assert_eq!(bench.items_with(FORGOTTEN.marker).await, Vec::<Value>::new());
    assert_eq!(bench.items_with(OTHER.marker).await, other, "the other subject is unchanged");
    let pages = before.iter().filter(|item| item["x"].is_object() && item["sk"]["B"].is_string());
    assert_eq!(
        receipt["deleted"],
        json!({
            "heads": 1, "pages": pages.count(), "letters": 3, "operator_letters": 2, "chunks": 5,
        })
    );
    assert_eq!(receipt["doubtful"]["count"], 1, "without a tenant, so it may belong to another");
    assert_eq!(
        (&receipt["tenant"], &receipt["subject"]),
        (&json!("newco"), &json!("device/sensor-a"))
    );
    for what in ["topics", "queues", "logs", "backups", "change streams"] {
        let named =
            receipt["out_of_reach"].as_array().unwrap().iter().find(|one| one["what"] == what);
        assert!(named.unwrap()["gone_by"].is_string(), "{what} in {receipt}");
    }

    let again = bench.drover(&forget).await;
    assert!(again.contains("  deleted    0 heads, 0 pages, 0 letters of the tenant, "), "{again}");
    bench.open_letters(&["--tenant", "newco"], 3).await;
    bench.running.stop().await;
}
