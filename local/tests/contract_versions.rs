//! Versions of contracts through a host: applied, listed, and read by command and over HTTP.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy does not recognize test helpers as tests"
)]

mod common;

use clap::Parser as _;
use common::get_api;
use common::running::{Running, folder};
use drover_local::commands::contracts;
use serde_json::{Value, json};

fn contract(status: &str, measure: &str) -> Value {
    json!({
        "name": "door", "description": "Doors", "subject": { "kind": "door", "id": { "path": "/id" } },
        "type": { "const": "seen" }, "observed_at": { "path": "/at" },
        "event_id": { "path": "/n" }, "payload": { "path": "" },
        "status": { "path": status }, "measures": [{ "name": "level", "path": measure }],
    })
}

async fn command(running: &Running, words: &[&str]) -> Result<String, String> {
    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        args: contracts::Args,
    }
    let database = running.host.addresses().dynamodb.to_string();
    let words = ["contracts"].iter().chain(words).copied().chain(["--dynamodb", &database]);
    let args = Cli::try_parse_from(words).map_err(|error| error.to_string())?.args;
    let shown = contracts::run(&args, &mut std::io::empty()).await;
    shown.map(|shown| shown.text).map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_changed_contract_is_a_new_version_and_both_are_shown() {
    let running = Running::start().await;
    running.apply(&[("contracts/door.json", contract("/was", "/a"))]).await.unwrap();
    let report = running.apply(&[("contracts/door.json", contract("/is", "/b"))]).await.unwrap();
    assert!(report.starts_with("replaced   contract door@2  "), "{report}");
    let report = running.apply(&[("contracts/door.json", contract("/is", "/b"))]).await.unwrap();
    assert!(report.starts_with("unchanged  contract door  "), "{report}");

    let shown = async |name: &str| -> Value {
        serde_json::from_str(&command(&running, &["show", name]).await.unwrap()).unwrap()
    };
    assert_eq!(shown("door").await["status"]["path"], "/is");
    assert_eq!(shown("door@1").await["status"]["path"], "/was");
    assert_eq!(shown("telemetry@0").await["name"], "telemetry");
    let error = command(&running, &["show", "door@3"]).await.unwrap_err();
    assert!(error.contains("no such version: name=`door` version=`3` newest=`2`"), "{error}");
    let error = command(&running, &["show", "window"]).await.unwrap_err();
    assert!(error.contains("no contract has this name: name=`window`"), "{error}");

    let listed = command(&running, &["list", "--json"]).await.unwrap();
    let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
    let versions: Vec<(&str, u64)> = listed
        .iter()
        .map(|one| (one["name"].as_str().unwrap(), one["version"].as_u64().unwrap()))
        .collect();
    assert!(versions.contains(&("door", 2)) && versions.contains(&("telemetry", 0)));
    let listed = command(&running, &["list", "door"]).await.unwrap();
    let rows: Vec<&str> = listed.lines().collect();
    assert_eq!(rows.len(), 3, "{listed}");
    assert!(rows[1].contains("door  2 ") && rows[1].contains("ann@cli"), "{listed}");
    assert!(rows[2].contains("door  1 ") && rows[2].ends_with("Doors"), "{listed}");

    let addresses = running.host.addresses();
    let get = async |path: &str| {
        let answer = get_api(addresses, path, "drover-demo-key").await;
        let json: Value = serde_json::from_slice(answer.body()).unwrap();
        (answer.status().as_u16(), json)
    };
    let (status, current) = get("/api/v1/contracts/door").await;
    assert_eq!((status, &current["version"]), (200, &json!(2)), "{current}");
    let (_, first) = get("/api/v1/contracts/door/versions/1").await;
    assert_eq!(first["contract"]["status"]["path"], "/was");
    assert_eq!(first["applied_by"], "ann@cli");
    let (_, built_in) = get("/api/v1/contracts/telemetry").await;
    assert_eq!((&built_in["version"], &built_in["applied_by"]), (&json!(0), &Value::Null));
    for (path, expected) in [
        ("/api/v1/contracts/window", 404),
        ("/api/v1/contracts/No%20Name", 404),
        ("/api/v1/contracts/door/versions/3", 404),
        ("/api/v1/contracts/door/versions/0", 404),
        ("/api/v1/contracts/door/versions/x", 400),
        ("/api/v1/contracts?x=1", 400),
    ] {
        assert_eq!(get(path).await.0, expected, "{path}");
    }
    running.stop().await;
}

#[tokio::test]
async fn an_incompatible_version_is_refused_and_a_dry_run_shows_the_changes() {
    let running = Running::start().await;
    let with_schema = |required: &Value| {
        let mut contract = contract("/was", "/a");
        contract["schema"] = json!({ "required": required });
        contract
    };
    running.apply(&[("contracts/door.json", with_schema(&json!([])))]).await.unwrap();
    let documents = folder(&[("contracts/door.json", with_schema(&json!(["a"])))]);
    let (code, _, errors) = running.run_apply(documents.path(), &[]).await;
    assert_eq!(code, 1);
    assert!(errors.contains("/schema/required: not backward compatible: "), "{errors}");
    assert!(errors.contains("--allow incompatible"), "{errors}");

    let allow = ["--allow", "incompatible"];
    let (code, text, _) =
        running.run_apply(documents.path(), &[&allow[..], &["--dry-run"]].concat()).await;
    assert_eq!(code, 0);
    let expected = "    ~ /schema/required: [] -> [\"a\"]\nnothing was written\n";
    assert!(
        text.starts_with("would replace contract door@2  ") && text.ends_with(expected),
        "{text}"
    );
    let listed = command(&running, &["list", "door"]).await.unwrap();
    assert_eq!(listed.lines().count(), 2, "{listed}");
    let (code, text, _) = running.run_apply(documents.path(), &allow).await;
    assert!(code == 0 && text.starts_with("replaced   contract door@2  "), "{text}");
    running.stop().await;
}

#[tokio::test]
async fn a_folder_that_changes_too_much_for_one_transaction_is_refused_with_what_to_do() {
    let running = Running::start().await;
    let documents: Vec<(String, Value)> = (0..51)
        .map(|number| {
            let name = format!("door-{number}");
            let mut contract = contract("/was", "/a");
            contract["name"] = json!(name);
            (format!("contracts/{name}.json"), contract)
        })
        .collect();
    let documents: Vec<(&str, Value)> =
        documents.iter().map(|(path, document)| (path.as_str(), document.clone())).collect();
    let whole = folder(&documents);
    for words in [&[][..], &["--dry-run"]] {
        let (code, _, errors) = running.run_apply(whole.path(), words).await;
        assert_eq!(code, 1, "{errors}");
        assert!(errors.contains("apply a part of the folder first"), "{errors}");
        assert!(errors.contains("writes=`103` limit=`100`"), "{errors}");
    }
    running.apply(&documents[..49]).await.unwrap();
    let (code, _, errors) = running.run_apply(whole.path(), &[]).await;
    assert_eq!(code, 0, "{errors}");
    running.stop().await;
}
