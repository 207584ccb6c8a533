//! Every file of `events/query/` is answered as its expectation says, and as the OpenAPI document of
//! the routes says.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a fact that does not hold ends its test"
)]

use drover_tests::query::{Answer, Reader, Situation, all};
use serde_json::{Value, json};

#[tokio::test]
async fn every_request_is_answered_as_expected() {
    let mut differences = Vec::new();
    for one in all() {
        let answer = Reader::over(&one.host().await).invoke(&one.event).await;
        if let Some(difference) = one.expect.difference(&answer) {
            differences.push(format!("events/query/{}.json\n{difference}", one.name));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}

#[tokio::test]
async fn every_answer_is_one_that_the_openapi_document_describes() {
    let document = serde_json::to_value(drover_query::openapi()).expect("JSON");
    let mut described = 0;
    for one in all() {
        let Some(operation) = operation(&document, &one) else { continue };
        let answer = Reader::over(&one.host().await).invoke(&one.event).await;
        described += 1;
        check(&document, operation, &answer, &one.name);
    }
    assert!(described > 40, "{described} answers");
}

/// What the document says about the route of a request.
fn operation<'a>(document: &'a Value, one: &Situation) -> Option<&'a Value> {
    let event: Value = serde_json::from_str(&one.event).expect("JSON");
    let path = event["rawPath"].as_str().expect("a path");
    let method = event["requestContext"]["http"]["method"].as_str().expect("a method");
    let paths = document["paths"].as_object().expect("paths");
    let (_, item) = paths.iter().find(|(template, _)| fits(template, path))?;
    item.get(method.to_lowercase())
}

/// Whether a path is one of a template, of which the last parameter may hold slashes.
fn fits(template: &str, path: &str) -> bool {
    match (template.split_once('/'), path.split_once('/')) {
        (Some((part, rest)), Some((own, path))) => {
            (part == own || part.starts_with('{')) && fits(rest, path)
        }
        (None, _) if template.starts_with('{') => !path.is_empty(),
        (None, None) => template == path,
        _ => false,
    }
}

fn check(document: &Value, operation: &Value, answer: &Answer, name: &str) {
    let response = &operation["responses"][answer.status.to_string()];
    assert!(response.is_object(), "{name}: {} is not documented", answer.status);
    let media_type = answer.headers["content-type"].as_str().expect("a type");
    let content = &response["content"][media_type];
    assert!(content.is_object(), "{name}: {media_type} is not documented");
    if !media_type.contains("json") {
        return;
    }
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "allOf": [content["schema"]], "components": document["components"],
    });
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let faults: Vec<String> =
        validator.iter_errors(&answer.json).map(|one| one.to_string()).collect();
    assert!(faults.is_empty(), "{name}: {faults:?}\n{}", answer.text);
}
