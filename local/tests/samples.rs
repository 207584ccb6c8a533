//! `drover contracts sample` on a host: counts of what the newest records of a topic become, and a new version of
//! a contract tried against the same records.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy does not recognize test helpers as tests"
)]

mod common;

use common::run;
use common::running::Running;
use serde_json::{Value, json};

const TOPIC: &str = "plant.raw";

/// Reads arrays of readings.
fn plant() -> Value {
    json!({
        "name": "plant", "transform": ".[]", "subject": {"kind": "device", "id": {"path": "/id"}},
        "type": {"const": "reading"}, "ignore": [{"path": "/kind", "in": ["ping"]}],
        "without_time": "received", "payload": {"path": ""},
    })
}

struct Fixture {
    running: Running,
}

impl Fixture {
    async fn new() -> Self {
        let running = Running::start().await;
        let topics = json!({"topics": {TOPIC: {"contract": "plant", "tenant": {"const": "demo"}}}});
        running.apply(&[("contracts/plant.json", plant()), ("topics.json", topics)]).await.unwrap();
        Self { running }
    }

    /// Produces records with one key, so that they are in one partition.
    async fn produce(&self, topic: &str, records: &[&str]) {
        let words = ["produce", topic, "--key", "k", "--data", self.running.folder()];
        let (code, _, error) = run(&words, &records.join("\n")).await;
        assert_eq!((code, error.as_str()), (0, ""));
    }

    async fn sample(&self, more: &[&str]) -> (i32, String, String) {
        let words = ["contracts", "sample", "--data", self.running.folder()];
        run(&[&words, more].concat(), "").await
    }

    async fn sampled(&self, more: &[&str]) -> Value {
        let (code, text, error) = self.sample(&[more, &["--json"]].concat()).await;
        assert_eq!(error, "");
        let found: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(code == 0, found["rejected"] == 0, "{text}");
        assert!(!text.contains("classified"), "a payload is printed: {text}");
        found
    }

    async fn stop(self) {
        self.running.stop().await;
    }
}

fn outcome<'a>(found: &'a Value, name: &str) -> &'a Value {
    let all = found["outcomes"].as_array().unwrap().iter();
    let mut named = all.filter(|one| one["outcome"] == name || one["code"] == name);
    named.next().unwrap_or_else(|| panic!("{name}: {found}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_outcome_is_counted_with_the_place_of_an_example() {
    let fixture = Fixture::new().await;
    fixture
        .produce(
            TOPIC,
            &[
                r#"[{"id":"d1","secret":"classified"},{"kind":"ping"},{"secret":"classified"}]"#,
                r#"[]"#,
                r#"[{"secret":"classified"},{"id":"d2","secret":7}]"#,
                "classified",
                "\0\0\0\0\x07\x14classified",
            ],
        )
        .await;
    let found = fixture.sampled(&[TOPIC]).await;
    let counts = ["records", "accepted", "ignored", "rejected"].map(|name| found[name].as_u64());
    assert_eq!(counts, [Some(5), Some(2), Some(2), Some(4)]);
    assert_eq!((found["topic"].as_str(), found["contract"].as_str()), (Some(TOPIC), Some("plant")));
    assert_eq!(found["complete"], true);

    let missing = outcome(&found, "missing_field");
    assert_eq!((&missing["outcome"], &missing["count"]), (&json!("rejected"), &json!(2)));
    let example = &missing["example"];
    assert_eq!(
        (&example["topic"], &example["offset"], &example["element"], &example["path"]),
        (&json!(TOPIC), &json!(0), &json!(2), &json!("/id"))
    );
    assert!(example["partition"].is_number() && example["message"].is_string(), "{example}");
    assert_eq!(outcome(&found, "malformed_json")["example"]["offset"], 3);
    let framed = outcome(&found, "unsupported_encoding")["example"]["message"].as_str().unwrap();
    assert!(framed.contains("schema=`7`") && framed.contains("Avro"), "{framed}");
    assert_eq!(outcome(&found, "accepted")["example"]["element"], 0);
    assert_eq!(outcome(&found, "ignored")["count"], 2);

    let (code, text, error) = fixture.sample(&[TOPIC]).await;
    assert_eq!((code, error.as_str()), (1, ""));
    assert!(text.starts_with("plant.raw: 5 records, by the contract plant\n"), "{text}");
    assert_eq!(text.lines().count(), 2 + 5, "{text}");
    assert!(!text.contains("classified"), "{text}");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_of_the_contract_is_tried_against_the_same_records() {
    let fixture = Fixture::new().await;
    fixture.produce(TOPIC, &[r#"[{"device":"d1"}]"#, r#"[{"id":"d2"}]"#]).await;
    assert_eq!(fixture.sampled(&[TOPIC]).await["rejected"], 1);

    let mut mended = plant();
    mended["subject"]["id"] = json!({"first": [{"path": "/id"}, {"path": "/device"}]});
    let file = fixture.running.data.path().join("mended.json");
    std::fs::write(&file, mended.to_string()).unwrap();
    let found = fixture.sampled(&[TOPIC, "--contract", file.to_str().unwrap()]).await;
    assert_eq!((&found["accepted"], &found["rejected"]), (&json!(2), &json!(0)));
    // The applied contract is as it was.
    assert_eq!(fixture.sampled(&[TOPIC]).await["rejected"], 1);

    std::fs::write(&file, r#"{"name":"plant"}"#).unwrap();
    let (code, _, error) = fixture.sample(&[TOPIC, "--contract", file.to_str().unwrap()]).await;
    assert!(code == 1 && error.contains("/subject: this field is required"), "{error}");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_newest_records_are_read() {
    let fixture = Fixture::new().await;
    let records: Vec<String> =
        (0..1_200).map(|at| format!(r#"[{{"id":"d{}"}}]"#, at % 7)).collect();
    let old: Vec<&str> = records.iter().map(String::as_str).collect();
    fixture.produce(TOPIC, &["classified", "classified"]).await;
    fixture.produce(TOPIC, &old).await;
    // Both bad records are older than the thousand newest, which are read without --last.
    let found = fixture.sampled(&[TOPIC]).await;
    assert_eq!((&found["records"], &found["accepted"]), (&json!(1_000), &json!(1_000)));
    assert_eq!(outcome(&found, "accepted")["example"]["offset"], 202);
    let all = fixture.sampled(&[TOPIC, "--last", "5000"]).await;
    assert_eq!((&all["records"], &all["rejected"]), (&json!(1_202), &json!(2)));
    let one = fixture.sampled(&[TOPIC, "--last", "1"]).await;
    assert_eq!(outcome(&one, "accepted")["example"]["offset"], 1_201);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_sampled_is_an_error_with_a_remedy() {
    let fixture = Fixture::new().await;
    let fails = async |more: &[&str], part: &str| {
        let (code, text, error) = fixture.sample(more).await;
        assert_eq!((code, text.as_str()), (1, ""), "{more:?}");
        assert!(error.contains(part), "{more:?}: {error}");
    };
    fails(&["no/topic"], "topic").await;
    fixture.produce("other", &["{}"]).await;
    fails(&["other"], "the topic has no route, apply a topics.json").await;
    fails(&[TOPIC], "the topic does not exist: topic=`plant.raw`").await;
    fails(&[TOPIC, "--kafka-tls"], "a Kafka cluster is needed").await;
    let contract = fixture.running.data.path().join("plant.json");
    std::fs::write(&contract, plant().to_string()).unwrap();
    let events = ["drover.events", "--contract", contract.to_str().unwrap()];
    fails(&events, "ingest writes this topic").await;
    fixture.stop().await;
}
