//! `drover schema`: the printed schemas accept every document of the repository, and `drover apply` ignores the
//! schema that a document names.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy does not recognize test helpers as tests"
)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::run;
use common::running::Running;
use jsonschema::{PatternOptions, Validator};
use serde_json::{Value, json};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

async fn schema(name: &str) -> Value {
    let (code, text, error) = run(&["schema", name], "").await;
    assert_eq!((code, error.as_str()), (0, ""));
    serde_json::from_str(&text).unwrap()
}

async fn validator(name: &str) -> Validator {
    let options = jsonschema::draft202012::options().offline();
    options.with_pattern_options(PatternOptions::regex()).build(&schema(name).await).unwrap()
}

fn listed(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// The JSON files of a folder in the layout of `drover apply`, with the schema of each.
fn documents_of(folder: &Path) -> Vec<(&'static str, PathBuf)> {
    let of_folder = |name: &'static str, inner: &str| {
        let files = listed(&folder.join(inner)).into_iter();
        files
            .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
            .map(move |path| (name, path))
    };
    let topics = Some(("topics", folder.join("topics.json"))).filter(|(_, path)| path.exists());
    let contracts = of_folder("contract", "contracts");
    contracts
        .chain(of_folder("tenant", "tenants"))
        .chain(topics)
        .chain(of_folder("rules", "rules"))
        .collect()
}

/// The documents in the blocks of a page, with the schema of each: what a command writes into `contract.json` or
/// `rules.json`, and indented routes.
fn blocks(page: &str) -> Vec<(&'static str, String)> {
    let written = page.split("cat > contract.json <<'EOF'\n").skip(1);
    let contracts =
        written.map(|rest| ("contract", rest.split_once("\nEOF").unwrap().0.to_owned()));
    let written = page.split("cat > rules.json <<'EOF'\n").skip(1);
    let rules = written.map(|rest| ("rules", rest.split_once("\nEOF").unwrap().0.to_owned()));
    let indented = page.split("\n\n").filter(|block| block.starts_with("    { \"topics\""));
    contracts.chain(rules).chain(indented.map(|block| ("topics", block.to_owned()))).collect()
}

#[tokio::test]
async fn every_document_of_the_repository_is_valid() {
    let root = Path::new(ROOT);
    let gallery = listed(&root.join("contracts")).into_iter().filter(|path| path.is_dir());
    let folders = gallery.chain([root.join("local/config"), root.join("bench/config")]);
    let files = folders.flat_map(|folder| documents_of(&folder));
    let mut documents: Vec<(&str, String, String)> = files
        .map(|(name, path)| (name, path.display().to_string(), fs::read_to_string(path).unwrap()))
        .collect();
    for page in listed(&root.join("docs")) {
        let text = fs::read_to_string(&page).unwrap();
        let found = blocks(&text).into_iter();
        documents.extend(found.map(|(name, text)| (name, page.display().to_string(), text)));
    }
    for (name, at_least) in [("contract", 29), ("tenant", 3), ("topics", 25), ("rules", 6)] {
        let schema = validator(name).await;
        let of_kind: Vec<_> = documents.iter().filter(|(kind, ..)| *kind == name).collect();
        assert!(of_kind.len() >= at_least, "{name}: {}", of_kind.len());
        for (_, origin, text) in of_kind {
            let document: Value = serde_json::from_str(text).unwrap();
            let faults: Vec<String> =
                schema.iter_errors(&document).map(|fault| fault.to_string()).collect();
            assert_eq!(faults, Vec::<String>::new(), "{origin}");
        }
        assert!(!schema.is_valid(&json!({"unknown": 1})), "{name}");
    }
}

#[tokio::test]
async fn an_unknown_kind_is_refused_with_the_known_ones() {
    let (code, text, error) = run(&["schema", "view"], "").await;
    assert_eq!((code, text.as_str()), (2, ""));
    assert!(error.contains("'view'") && error.contains("contract, tenant, topics"), "{error}");
}

#[tokio::test]
async fn help_shows_how_an_editor_finds_a_schema() {
    let (code, help, _) = run(&["schema", "--help"], "").await;
    assert_eq!(code, 0);
    for part in ["\"$schema\": \"../contract.schema.json\"", "\"json.schemas\"", "topics.json"] {
        assert!(help.contains(part), "{part}: {help}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_may_name_its_schema_which_is_no_change() {
    let running = Running::start().await;
    let documents = |schema: Option<&str>| {
        let contract = json!({
            "name": "scale", "subject": {"kind": "device", "id": {"path": "/scale"}},
            "type": {"const": "weight"}, "payload": {"path": ""}, "without_time": "received",
        });
        let tenant = json!({"id": "newco", "default_contract": "scale"});
        let topics =
            json!({"topics": {"scales": {"contract": "scale", "tenant": {"const": "newco"}}}});
        let paths = ["contracts/scale.json", "tenants/newco.json", "topics.json"];
        let mut documents: Vec<_> = paths.into_iter().zip([contract, tenant, topics]).collect();
        for (_, document) in &mut documents {
            if let Some(schema) = schema {
                document["$schema"] = json!(schema);
            }
        }
        documents
    };
    let created = running.apply(&documents(Some("../a.schema.json"))).await.unwrap();
    assert_eq!(created.matches("created").count(), 3, "{created}");
    for schema in [Some("https://example.com/another.json"), None] {
        let again = running.apply(&documents(schema)).await.unwrap();
        assert_eq!(again.matches("unchanged").count(), 3, "{again}");
    }
    running.stop().await;
}
