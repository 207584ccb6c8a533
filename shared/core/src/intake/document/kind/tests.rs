//! The schemas describe every member, and their examples and defaults are true.

use serde_json::{Map, Value, json};

use super::*;
use crate::intake::contract::ContractDocument;
use crate::intake::document::parse;
use crate::intake::rules::Rules;
use crate::intake::schema::Schema;
use crate::intake::tenant::{Tenant, Topics};

const KINDS: [DocumentKind; 4] =
    [DocumentKind::Contract, DocumentKind::Tenant, DocumentKind::Topics, DocumentKind::Rules];

fn schema(kind: DocumentKind) -> Value {
    serde_json::from_str(kind.schema()).expect("a schema is JSON")
}

/// Each schema inside a schema, itself included, with its JSON Pointer.
fn nodes<'a>(at: &str, node: &'a Value, found: &mut Vec<(String, &'a Value)>) {
    found.push((at.to_owned(), node));
    for keyword in ["items", "additionalProperties", "if", "then", "else"] {
        if let Some(inner) = node.get(keyword).filter(|inner| inner.is_object()) {
            nodes(&format!("{at}/{keyword}"), inner, found);
        }
    }
    for keyword in ["properties", "$defs"] {
        for (name, inner) in node.get(keyword).and_then(Value::as_object).into_iter().flatten() {
            nodes(&format!("{at}/{keyword}/{name}"), inner, found);
        }
    }
}

fn all(root: &Value) -> Vec<(String, &Value)> {
    let mut found = Vec::new();
    nodes("", root, &mut found);
    found
}

/// The schema to which a reference leads, if there is one.
fn referred<'a>(root: &'a Value, node: &Value) -> Option<&'a Value> {
    let reference = node.get("$ref")?.as_str()?;
    root.pointer(reference.strip_prefix('#')?)
}

/// A keyword of a member: its own, or that of the schema to which it refers.
fn keyword<'a>(root: &'a Value, node: &'a Value, name: &str) -> Option<&'a Value> {
    node.get(name).or_else(|| keyword(root, referred(root, node)?, name))
}

/// The schema of one node, with the definitions that it refers to.
fn alone(root: &Value, node: &Value) -> Schema {
    let definitions = root.get("$defs").cloned().unwrap_or_else(|| json!({}));
    Schema::compile(&json!({"$defs": definitions, "allOf": [node]})).expect("a schema")
}

/// The document with every default of its schema.
fn with_defaults(root: &Value, node: &Value, document: &Value) -> Value {
    match document {
        Value::Object(members) => {
            let mut filled: Map<String, Value> = Map::new();
            let properties = keyword(root, node, "properties").and_then(Value::as_object);
            let others = keyword(root, node, "additionalProperties");
            for (name, inner) in properties.into_iter().flatten() {
                if let Some(default) = keyword(root, inner, "default") {
                    filled.insert(name.clone(), default.clone());
                }
            }
            for (name, value) in members {
                let inner = properties.and_then(|all| all.get(name)).or(others);
                let value = inner.map_or(value.clone(), |inner| with_defaults(root, inner, value));
                filled.insert(name.clone(), value);
            }
            Value::Object(filled)
        }
        Value::Array(items) => {
            let inner = keyword(root, node, "items").unwrap_or(&Value::Null);
            items.iter().map(|item| with_defaults(root, inner, item)).collect()
        }
        other => other.clone(),
    }
}

#[test]
fn every_member_has_a_description_and_examples() {
    for kind in KINDS {
        let root = schema(kind);
        for name in ["$id", "title", "description", "examples"] {
            assert!(root.get(name).is_some(), "{kind:?} has no {name}");
        }
        let mut members = 0;
        for (at, node) in all(&root) {
            for (name, member) in
                node.get("properties").and_then(Value::as_object).into_iter().flatten()
            {
                let described = keyword(&root, member, "description").and_then(Value::as_str);
                let described = described.unwrap_or_else(|| panic!("{kind:?}{at}: {name}"));
                assert!(described.ends_with('.') && described.len() > 10, "{kind:?}{at}: {name}");
                let examples = keyword(&root, member, "examples").and_then(Value::as_array);
                assert!(examples.is_some_and(|all| !all.is_empty()), "{kind:?}{at}: {name}");
                members += 1;
            }
        }
        assert!(members >= 10, "{kind:?}: {members}");
    }
}

#[test]
fn every_example_and_every_default_is_valid() {
    for kind in KINDS {
        let root = schema(kind);
        let whole = Schema::compile(&root).expect("a schema");
        for example in root.get("examples").and_then(Value::as_array).expect("examples") {
            assert_eq!(whole.faults(example), [], "{kind:?}");
        }
        for (at, node) in all(&root).into_iter().skip(1) {
            let own = alone(&root, node);
            let examples = node.get("examples").and_then(Value::as_array).into_iter().flatten();
            for value in examples.chain(node.get("default")) {
                assert_eq!(own.faults(value), [], "{kind:?}{at}: {value}");
            }
        }
    }
}

#[test]
fn the_examples_of_documents_are_read() {
    let example = |kind| schema(kind).pointer("/examples/0").expect("an example").to_string();
    ContractDocument::parse(&example(DocumentKind::Contract)).expect("a contract");
    Tenant::check(&parse(&example(DocumentKind::Tenant)).expect("JSON")).expect("a tenant");
    Topics::check(&parse(&example(DocumentKind::Topics)).expect("JSON")).expect("routes");
    Rules::check(&parse(&example(DocumentKind::Rules)).expect("JSON")).expect("rules");
}

#[test]
fn a_default_is_what_an_absent_member_means() {
    let contract = json!({
        "name": "a", "subject": {"kind": "device", "id": {"path": "/id"}}, "type": {"const": "t"},
        "observed_at": {"path": "/at"}, "payload": {"path": ""},
        "measures": [{"name": "m", "path": "/m"}], "status": {"path": "/s"},
        "location": {"latitude": "/a", "longitude": "/b"},
        "variants": [{"when": {"header": "h", "equals": "x"}}],
    });
    let root = schema(DocumentKind::Contract);
    let filled = with_defaults(&root, &root, &contract);
    assert!(filled.pointer("/variants/0/body").is_some() && filled.get("without_time").is_some());
    let read = |document: &Value| ContractDocument::parse(&document.to_string());
    assert_eq!(read(&filled), read(&contract));
    assert!(read(&contract).is_ok());

    let root = schema(DocumentKind::Tenant);
    let key = json!({"id": "k", "sha256": "0".repeat(64), "scopes": ["read"]});
    let quota = json!({"events_per_second": 1, "burst": 1});
    for tenant in [json!({"id": "a"}), json!({"id": "a", "keys": [key], "quota": quota})] {
        let filled = with_defaults(&root, &root, &tenant);
        assert!(filled.pointer("/quota/reads_per_second").is_some());
        assert_eq!(Tenant::check(&filled), Tenant::check(&tenant));
        assert!(Tenant::check(&tenant).is_ok());
    }

    let root = schema(DocumentKind::Topics);
    let topics = json!({"topics": {"a": {"contract": "c", "tenant": {"const": "t"}}}});
    let filled = with_defaults(&root, &root, &topics);
    assert!(filled.pointer("/topics/a/framing").is_some());
    let framing = |document| {
        let topics = Topics::check(document).expect("routes").topics;
        topics.get("a").expect("a route").framing()
    };
    assert_eq!(framing(&filled), framing(&topics));

    let root = schema(DocumentKind::Rules);
    let rules = json!({"tenant": "a", "rules": [
        {"id": "r", "contract": "c", "measure": "m", "when": {"above": 1}},
    ]});
    let filled = with_defaults(&root, &root, &rules);
    assert!(filled.pointer("/rules/0/notify").is_some());
    assert!(filled.pointer("/rules/0/when/changes").is_some());
    assert_eq!(Rules::check(&filled), Rules::check(&rules));
    assert!(Rules::check(&rules).is_ok());
}

#[test]
fn the_schema_that_a_document_names_is_ignored_and_anything_else_there_is_refused() {
    let document = json!({"$schema": "./tenant.schema.json", "id": "a"});
    assert_eq!(parse(&document.to_string()), Ok(json!({"id": "a"})));
    let wrong = parse(r#"{"$schema":7,"id":"a"}"#).expect("JSON");
    let faults = Tenant::check(&wrong).expect_err("a number is no schema");
    assert!(faults.iter().any(|fault| fault.path == "/$schema"), "{faults:?}");
}
