//! The command with files of its own.

use std::fs;

use clap::Parser;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    args: TryArgs,
}

/// A contract of a device with an array of readings.
fn document() -> Value {
    json!({
        "name": "readings",
        "transform": ". as $r | .readings[] | {id: $r.id} + .",
        "subject": {"kind": "device", "id": {"first": [{"path": "/id"}, {"key": true}, {"header": "device"}]}},
        "type": {"const": "reading"},
        "observed_at": {"path": "/at"},
        "without_time": "received",
        "payload": {"path": "", "except": ["/id", "/at"]},
        "measures": [{"name": "temperature", "path": "/c", "unit": "celsius"}],
    })
}

fn tried(contract: &str, record: &str, more: &[&str]) -> Result<Shown, TryError> {
    let folder = TempDir::new().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let files = [file("contract.json", contract), file("record.json", record)];
    let words = ["try", &files[0], &files[1], "--received", "2026-11-21T07:00:00Z"];
    let args = Command::parse_from(words.iter().chain(more)).args;
    run(&args, &mut std::io::empty())
}

#[test]
fn each_element_is_a_line_and_a_rejection_is_an_error() {
    let good = r#"{"id":"d1","readings":[{"at":"2026-11-21T06:00:00Z","c":21.5},{"at":"2026-11-21T06:01:00Z","c":22}]}"#;
    let shown = tried(&document().to_string(), good, &[]).unwrap();
    assert_eq!(shown.ending, Ending::Accepted);
    let lines: Vec<&str> = shown.text.lines().collect();
    assert!(
        lines[0].ends_with("record.json") && lines[1].contains("observed_at"),
        "{}",
        shown.text
    );
    assert!(
        lines[2].starts_with("  0        device/d1  2026-11-21T06:00:00.000Z"),
        "{}",
        shown.text
    );
    assert!(lines[3].contains("temperature=22 celsius") && lines[3].ends_with(r#"{"c":22}"#));

    let bad = r#"{"id":"d1","readings":[{"at":"2026-11-21T06:00:00Z","c":21.5},{"at":"soon"}]}"#;
    let shown = tried(&document().to_string(), bad, &[]).unwrap();
    assert_eq!(shown.ending, Ending::Rejected);
    let last = shown.text.lines().last().unwrap();
    assert!(last.starts_with("  rejected: element 1: invalid_timestamp at /at: "), "{last}");
}

#[test]
fn programs_get_the_json_of_the_route() {
    let bad = r#"{"id":"d1","readings":[{"c":21.5},{"at":7}]}"#;
    let shown = tried(&document().to_string(), bad, &["--json"]).unwrap();
    let json: Value = serde_json::from_str(&shown.text).unwrap();
    assert_eq!(json["accepted"], 1);
    assert_eq!(json["rejected"], 1);
    let event = &json["results"][0]["event"];
    assert_eq!(event["subject"], "device/d1");
    assert_eq!(event["observed_at"], "2026-11-21T07:00:00.000Z");
    assert_eq!(event["measures"], json!({"temperature": {"value": 21.5, "unit": "celsius"}}));
    assert_eq!(json["results"][1]["error"]["path"], "/at");
    assert_eq!(json["results"][1]["element"], 1);
}

#[test]
fn key_topic_and_headers_belong_to_the_record() {
    let record = r#"{"readings":[{"c":1}]}"#;
    let subject = |more: &[&str]| {
        let shown = tried(&document().to_string(), record, &[more, &["--json"]].concat()).unwrap();
        let json: Value = serde_json::from_str(&shown.text).unwrap();
        json["results"][0]["event"]["subject"].clone()
    };
    assert_eq!(subject(&["--key", "of-the-key"]), "device/of-the-key");
    assert_eq!(subject(&["--header", "Device=of=a-header"]), "device/of=a-header");
    assert_eq!(subject(&[]), Value::Null);

    let mut of_topic = document();
    of_topic["subject"]["id"] = json!({"topic": true});
    let shown = tried(&of_topic.to_string(), record, &["--topic", "site-7"]).unwrap();
    assert!(shown.text.contains("device/site-7"), "{}", shown.text);
}

#[test]
fn a_broken_transform_is_reported_with_line_and_column() {
    let mut broken = document();
    broken["transform"] = json!(". as $r\n| .readings[] | nothing_like_it");
    let error = tried(&broken.to_string(), "{}", &[]).unwrap_err().to_string();
    assert!(error.contains("/transform: "), "{error}");
    assert!(error.contains("line=`2` column=`17`"), "{error}");

    let error = tried("{\"name\":", "{}", &[]).unwrap_err().to_string();
    assert!(error.contains("line 1 column 8"), "{error}");
}

#[test]
fn standard_input_is_one_file() {
    let folder = TempDir::new().unwrap();
    let contract = folder.path().join("contract.json");
    fs::write(&contract, document().to_string()).unwrap();
    let args = Command::parse_from(["try", &contract.display().to_string(), "-"]).args;
    let shown = run(&args, &mut r#"{"id":"d1","readings":[{"c":1}]}"#.as_bytes()).unwrap();
    assert!(shown.text.starts_with("-\n") && shown.text.contains("device/d1"), "{}", shown.text);
    let twice = Command::parse_from(["try", "-", "-"]).args;
    assert!(matches!(run(&twice, &mut std::io::empty()), Err(TryError::StdinTwice)));
}
