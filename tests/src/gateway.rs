//! Functions behind an HTTP API: invoked with API Gateway's JSON (payload 2.0) through the same
//! conversion as on Lambda; and checks of a response against an expectation and against the OpenAPI
//! document.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a failed expectation ends its test"
)]

use axum::Router;
use base64_simd::STANDARD;
use drover_http::gateway::{HttpEvent, HttpFunction, NotARequest};
use lambda_runtime::{Context, LambdaEvent};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::comparison::{difference, only_asked};

/// An answer as API Gateway gets it.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u64,
    /// Headers by name, in lower case.
    pub headers: Map<String, Value>,
    /// The body as text.
    pub text: String,
    /// The body as JSON; `null` if it is not JSON.
    pub json: Value,
}

/// The expected answer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// The status.
    pub status: u64,
    /// Headers of the answer.
    #[serde(default)]
    pub headers: Map<String, Value>,
    /// The body. Of objects, only these keys are compared. `None`: any body.
    pub json: Option<Value>,
    /// Texts in the body.
    #[serde(default)]
    pub contains: Vec<String>,
}

/// One invocation with API Gateway's JSON.
///
/// # Errors
/// The event is no request in payload format 2.0.
pub async fn invoke(router: &Router, event: &str) -> Result<Answer, NotARequest> {
    let event = HttpEvent::parse(event)?;
    let function = HttpFunction::new(router.clone());
    let answer = function.answer(LambdaEvent::new(event, Context::default())).await;
    Ok(Answer::of(&serde_json::to_value(answer).expect("JSON")))
}

impl Answer {
    /// Reads a function's response as API Gateway does.
    pub fn of(response: &Value) -> Self {
        let body = response["body"].as_str().unwrap_or_default();
        let text = if response["isBase64Encoded"] == true {
            let bytes = STANDARD.decode_to_vec(body).expect("base64");
            String::from_utf8(bytes).expect("text")
        } else {
            body.to_owned()
        };
        Answer {
            status: response["statusCode"].as_u64().expect("a status"),
            headers: response["headers"].as_object().cloned().unwrap_or_default(),
            json: serde_json::from_str(&text).unwrap_or_default(),
            text,
        }
    }
}

/// API Gateway's event for a request.
pub fn event(method: &str, target: &str, headers: &[(&str, &str)]) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut sent = json!({"host": "api.example.com", "x-forwarded-proto": "https"});
    headers.iter().for_each(|(name, value)| sent[*name] = json!(value));
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query,
        "headers": sent, "isBase64Encoded": false,
        "requestContext": {
            "accountId": "123456789012", "apiId": "a1b2c3", "domainName": "api.example.com",
            "requestId": "r-1", "routeKey": "$default", "stage": "$default",
            "time": "21/Nov/2026:06:05:00 +0000", "timeEpoch": 1_795_241_100_000_u64,
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1", "userAgent": "curl/8"},
        },
    })
    .to_string()
}

/// How the result of an invocation differs from what is expected: an answer, or the text of an error; `None`: not
/// at all.
pub fn difference_of(
    found: &Result<Answer, NotARequest>,
    answer: Option<&Expected>,
    error: Option<&str>,
) -> Option<String> {
    match (found, answer) {
        (Ok(found), Some(answer)) => answer.difference(found),
        (Ok(_), None) => Some("an answer needs a status".to_owned()),
        (Err(found), _) => difference(&json!(error), &json!(found.to_string())),
    }
}

impl Expected {
    /// How an answer differs; `None`: not at all.
    pub fn difference(&self, answer: &Answer) -> Option<String> {
        let headers =
            self.headers.keys().filter_map(|name| Some((name, answer.headers.get(name)?)));
        let headers: Map<String, Value> =
            headers.map(|(name, value)| (name.clone(), value.clone())).collect();
        let json = self.json.as_ref().map(|asked| only_asked(&answer.json, asked));
        let found = json!({"status": answer.status, "headers": headers, "json": json});
        let expected = json!({"status": self.status, "headers": self.headers, "json": self.json});
        let missing = self.contains.iter().find(|text| !answer.text.contains(*text));
        let missing = missing.map(|text| format!("the body does not contain {text:?}"));
        difference(&expected, &found).or(missing)
    }
}

/// Checks the response to an event against the document. `false`: the document does not describe
/// the route.
///
/// # Panics
/// The response contradicts the document.
pub fn is_described(document: &Value, event: &str, answer: &Answer, name: &str) -> bool {
    let Some(operation) = operation(document, event) else { return false };
    let response = &operation["responses"][answer.status.to_string()];
    assert!(response.is_object(), "{name}: {} is not documented", answer.status);
    if answer.text.is_empty() && response["content"].is_null() {
        return true;
    }
    let media_type = answer.headers["content-type"].as_str().expect("a type");
    let content = &response["content"][media_type];
    assert!(content.is_object(), "{name}: {media_type} is not documented");
    if media_type.contains("json") {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "allOf": [content["schema"]], "components": document["components"],
        });
        let validator = jsonschema::validator_for(&schema).expect("a schema");
        let faults: Vec<String> =
            validator.iter_errors(&answer.json).map(|one| one.to_string()).collect();
        assert!(faults.is_empty(), "{name}: {faults:?}\n{}", answer.text);
    }
    true
}

/// The operation of a request in the document.
fn operation<'a>(document: &'a Value, event: &str) -> Option<&'a Value> {
    let event: Value = serde_json::from_str(event).expect("JSON");
    let path = event["rawPath"].as_str().expect("a path");
    let method = event["requestContext"]["http"]["method"].as_str().expect("a method");
    let paths = document["paths"].as_object().expect("paths");
    let (_, item) = paths.iter().find(|(template, _)| fits(template, path))?;
    item.get(method.to_lowercase())
}

/// Whether a path matches a template, whose last parameter may contain slashes.
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
