//! Alert rules: the recipes of the documentation as pasted, `drover rules`, and versions in a registry.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy does not recognize test helpers as tests"
)]

mod common;

use std::path::Path;
use std::process::Command;

use common::run;
use common::running::{Running, folder};
use serde_json::{Value, json};
use tempfile::TempDir;

const PAGE: &str = include_str!("../../docs/alerts.md");

/// Runs a block in a shell that finds the binary, and returns what it prints.
fn pasted(folder: &Path, block: &str) -> String {
    let binaries = Path::new(env!("CARGO_BIN_EXE_drover")).parent().unwrap();
    let shell = format!("PATH={}:$PATH; {block}", binaries.display());
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", &shell]).current_dir(folder);
    let output = command.output().unwrap();
    let (text, error) = (output.stdout, String::from_utf8_lossy(&output.stderr).into_owned());
    assert!(output.status.success(), "{block}\n{}\n{error}", String::from_utf8_lossy(&text));
    String::from_utf8(text).unwrap()
}

#[test]
fn every_recipe_prints_what_stands_below_it() {
    let recipes: Vec<&str> = PAGE.split("\n### ").skip(1).collect();
    assert_eq!(recipes.len(), 6);
    for recipe in recipes {
        let here = tempfile::tempdir().unwrap();
        let blocks: Vec<&str> = recipe.split("```sh\n").skip(1).collect();
        assert_eq!(blocks.len(), 2, "with the late event and without it: {recipe}");
        let mut printed = Vec::new();
        for rest in blocks {
            let (block, after) = rest.split_once("```\n").unwrap();
            let expected = after.split_once("```text\n").unwrap().1.split_once("```").unwrap().0;
            let text = pasted(here.path(), block);
            assert_eq!(text, expected, "{block}");
            printed.push(text);
        }
        let [with, without] = printed.as_slice() else { panic!("{printed:?}") };
        assert_ne!(with, without, "the late event changes something");
    }
}

#[test]
fn the_page_explains_every_member() {
    let schema = include_str!("../../shared/core/src/intake/document/rules.schema.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    let rule = schema["properties"]["rules"]["items"]["properties"].as_object().unwrap();
    let condition = schema["$defs"]["condition"]["properties"].as_object().unwrap();
    for member in rule.keys() {
        assert!(PAGE.contains(&format!("\n| `{member}` | ")), "{member} is not explained");
    }
    let others = ["after_seconds", "events", "seconds"];
    for member in condition.keys().map(String::as_str).chain(others) {
        let is_explained = [format!("`{member}`"), format!("\"{member}\"")];
        assert!(is_explained.iter().any(|one| PAGE.contains(one)), "{member} is not explained");
    }
}

fn hot(bound: i64) -> Value {
    json!({"tenant": "demo", "rules": [
        {"id": "hot", "contract": "telemetry", "measure": "temperature", "when": {"above": bound}},
    ]})
}

fn reading(at: &str, value: &Value) -> String {
    let at = format!("2026-11-21T{at}Z");
    let payload = json!({"value": value, "unit": "celsius"});
    json!({"device_id": "d-1", "event_type": "temperature", "timestamp": at, "payload": payload})
        .to_string()
}

fn file(documents: &TempDir, name: &str) -> String {
    documents.path().join(name).display().to_string()
}

#[tokio::test]
async fn rejected_records_are_told_and_the_others_are_folded() {
    let documents = folder(&[("rules.json", hot(30))]);
    let lines = [reading("06:00:00", &json!(31)), reading("06:01:00", &json!("x")), "{".to_owned()];
    let rules = file(&documents, "rules.json");
    let (code, text, _) = run(&["rules", "try", &rules, "-"], &lines.join("\n")).await;
    assert_eq!(code, 1);
    assert!(text.contains("device/d-1  1 event\n"), "{text}");
    assert!(text.contains("\nrejected: line 2: schema_violation at /payload/value"), "{text}");
    assert!(text.contains("\nrejected: line 3: malformed_json"), "{text}");

    let (code, text, _) = run(&["rules", "try", &rules, "-", "--json"], &lines[0]).await;
    let answer: Value = serde_json::from_str(&text).unwrap();
    let episode = &answer["subjects"][0]["episodes"][0];
    assert_eq!((code, &episode["rule"], &episode["value"]), (0, &json!("hot"), &json!(31.0)));
    assert_eq!(episode["opened_at"], "2026-11-21T06:00:00.000Z");
}

#[tokio::test]
async fn faults_of_rules_are_told_with_their_paths() {
    let wrong = json!({"tenant": "demo", "rules": [
        {"id": "a", "contract": "telemetry", "measure": "speed", "when": {"above": 1}},
        {"id": "b", "contract": "telemetri", "absent": {"seconds": 9}},
    ]});
    let shapeless = json!({"tenant": "demo", "rules": [{"id": "a", "contract": "c", "wen": {}}]});
    let documents = folder(&[("wrong.json", wrong), ("shapeless.json", shapeless)]);
    let words = ["rules", "try", &file(&documents, "wrong.json"), "-", "--read-by", "telemetry"];
    let (code, _, error) = run(&words, "").await;
    assert_eq!(code, 1);
    assert!(error.contains("\n  /rules/0/when: the contract has no measure `speed`"), "{error}");
    assert!(error.contains("\n  /rules/1/contract: no contract has this name"), "{error}");
    let (_, _, error) = run(&["rules", "try", &file(&documents, "shapeless.json"), "-"], "").await;
    assert!(error.contains("\n  /rules/0/wen: no such field is known"), "{error}");
}

#[tokio::test]
async fn applied_rules_are_versions_and_wrong_rules_are_refused() {
    // A host begins with a version of its own.
    let running = Running::start().await;
    let mut newco = hot(30);
    newco["tenant"] = json!("newco");
    let both = [("tenants/newco.json", json!({"id": "newco"})), ("rules/newco.json", newco)];
    let report = running.apply(&both).await.unwrap();
    assert!(report.ends_with("the rules of newco are in force now\n"), "{report}");
    let report = running.apply(&[("rules/demo.json", hot(30))]).await.unwrap();
    assert!(report.starts_with("replaced   rules demo@2  "), "{report}");
    assert!(report.ends_with("the rules of demo are in force 90 s from now\n"), "{report}");
    let report = running.apply(&[("rules/demo.json", hot(30))]).await.unwrap();
    assert!(report.starts_with("unchanged  rules demo  "), "{report}");
    running.apply(&[("rules/demo.json", hot(40))]).await.unwrap();

    let words = async |words: &[&str]| {
        let words = [&["rules"], words, &["--data", running.folder()]].concat();
        let (code, text, error) = run(&words, "").await;
        (code, if code == 0 { text } else { error })
    };
    let (_, text) = words(&["show", "demo"]).await;
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), hot(40));
    let (_, text) = words(&["show", "demo@2"]).await;
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), hot(30));
    let (code, error) = words(&["show", "demo@4"]).await;
    assert!(code == 1 && error.contains("version=`4` newest=`3`"), "{error}");
    let (code, error) = words(&["list", "acme"]).await;
    assert!(code == 1 && error.contains("the tenant has no rules: tenant=`acme`"), "{error}");
    let (_, text) = words(&["list", "demo"]).await;
    assert!(text.contains("\n  hot   telemetry  temperature  -\n"), "{text}");
    let (_, text) = words(&["list", "demo", "--versions"]).await;
    assert!(text.contains("\n  3  ") && text.contains("starts later"), "{text}");

    let mut wrong = hot(30);
    wrong["rules"][0]["measure"] = json!("speed");
    let error = running.apply(&[("rules/demo.json", wrong)]).await.unwrap_err().to_string();
    assert!(error.contains("/rules/0/when: the contract has no measure `speed`"), "{error}");
    let documents = folder(&[("rules/demo.json", hot(50))]);
    let (_, text, _) = running.run_apply(documents.path(), &["--dry-run"]).await;
    assert!(text.contains("would replace rules demo@4  "), "{text}");
    assert!(text.contains("/rules: "), "{text}");
    running.stop().await;
}
