//! Names the sender of an event that is no request in payload format 2.0, by the members that only its
//! events have, and says what to configure. Values are read only as far as needed, and none is shown.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

const LATTICE: &str = "a request of VPC Lattice: put an HTTP API or a function URL in its place";

pub(super) type Members<'a> = BTreeMap<String, &'a RawValue>;

/// The sender of an event, as the end of the sentence "this event is …".
pub(super) fn sender(event: &str) -> &'static str {
    let event = members(event);
    let context = event.get("requestContext").map(|context| members(context.get()));
    context.and_then(|context| gateway(&event, &context)).unwrap_or_else(|| other(&event))
}

/// The members of an object; none for other values.
pub(super) fn members(json: &str) -> Members<'_> {
    serde_json::from_str(json).unwrap_or_default()
}

fn text<'a>(members: &Members<'a>, name: &str) -> Option<Cow<'a, str>> {
    members.get(name).and_then(|value| serde_json::from_str(value.get()).ok())
}

/// `None`: no known gateway.
fn gateway(event: &Members<'_>, context: &Members<'_>) -> Option<&'static str> {
    let has = |name| context.contains_key(name);
    if has("elb") {
        return Some(
            "a request of an Application Load Balancer (ALB): put an HTTP API or a function URL in its place",
        );
    }
    if has("serviceNetworkArn") || has("serviceArn") {
        return Some(LATTICE);
    }
    if has("connectionId") && (has("eventType") || has("messageDirection")) {
        return Some(
            "a request of an API Gateway WebSocket API: put an HTTP API or a function URL in its place",
        );
    }
    match text(event, "version").as_deref() {
        Some("1.0") => Some(
            "a request of an API Gateway HTTP API in payload format 1.0, the format of a REST API: set \
             PayloadFormatVersion of its integration to 2.0",
        ),
        None | Some("2.0") if has("http") => Some("a damaged request in payload format 2.0"),
        Some(_) if has("http") => Some(
            "a request of an API Gateway HTTP API in another payload format: set PayloadFormatVersion of \
             its integration to 2.0",
        ),
        _ if has("httpMethod") || has("resourcePath") => Some(
            "a request of an API Gateway REST API (payload format 1.0): put an HTTP API or a function URL \
             in its place",
        ),
        _ => None,
    }
}

fn other(event: &Members<'_>) -> &'static str {
    let is_kafka = |source: &str| source == "aws:kafka" || source == "SelfManagedKafka";
    if text(event, "eventSource").is_some_and(|source| is_kafka(&source)) {
        return "a batch of Kafka records: the function processor takes those";
    }
    if let Some(records) = event.get("Records") {
        let records: Vec<&RawValue> = serde_json::from_str(records.get()).unwrap_or_default();
        let first = records.first().map(|first| members(first.get())).unwrap_or_default();
        return match text(&first, "eventSource").as_deref() {
            Some("aws:sqs") => "a batch of SQS messages: the function replay takes those",
            _ => "a batch of records of another event source",
        };
    }
    if event.contains_key("raw_path") {
        return LATTICE;
    }
    if event.contains_key("action") {
        return "a command: the function replay takes those";
    }
    if event.contains_key("detail-type") {
        return "an event of EventBridge";
    }
    "of an unknown kind"
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::gateway::HttpEvent;

    fn refusal(event: &Value) -> String {
        HttpEvent::parse(&event.to_string()).expect_err("no request in format 2.0").to_string()
    }

    #[test]
    fn each_gateway_is_named_by_its_events_with_what_to_configure() {
        const PLACE: &str = "put an HTTP API or a function URL in its place";
        const FORMAT: &str = "set PayloadFormatVersion of its integration to 2.0";
        for (event, name, advice) in [
            (
                json!({"httpMethod": "GET", "path": "/", "requestContext": {"elb": {}}}),
                "an Application Load Balancer (ALB): ",
                PLACE,
            ),
            (
                json!({"path": "/", "requestContext": {"resourcePath": "/", "httpMethod": "GET"}}),
                "an API Gateway REST API (payload format 1.0): ",
                PLACE,
            ),
            (
                json!({"version": "1.0", "requestContext": {"resourcePath": "/", "httpMethod": "GET"}}),
                "an API Gateway HTTP API in payload format 1.0, ",
                FORMAT,
            ),
            (
                json!({"version": "3.0", "rawPath": "/", "requestContext": {"http": {"method": "GET"}}}),
                "an API Gateway HTTP API in another payload format: ",
                FORMAT,
            ),
            (
                json!({"requestContext": {"connectionId": "c", "eventType": "CONNECT", "routeKey": "$connect"}}),
                "an API Gateway WebSocket API: ",
                PLACE,
            ),
            (
                json!({"version": "2.0", "path": "/", "method": "GET", "requestContext": {"serviceArn": "a"}}),
                "VPC Lattice: ",
                PLACE,
            ),
            (json!({"raw_path": "/", "method": "GET"}), "VPC Lattice: ", PLACE),
        ] {
            let refusal = refusal(&event);
            assert!(
                refusal.starts_with(&format!("this event is a request of {name}")),
                "{refusal}"
            );
            assert!(refusal.ends_with(advice), "{refusal}");
        }
    }

    #[test]
    fn another_event_is_told_where_it_belongs() {
        for (event, kind) in [
            (json!({"eventSource": "aws:kafka", "records": {}}), "a batch of Kafka records: "),
            (json!({"eventSource": "SelfManagedKafka"}), "a batch of Kafka records: "),
            (json!({"Records": [{"eventSource": "aws:sqs"}]}), "a batch of SQS messages: "),
            (json!({"Records": [{"eventSource": "aws:s3"}]}), "a batch of records of another"),
            (json!({"Records": []}), "a batch of records of another"),
            (json!({"action": "inspect"}), "a command: "),
            (
                json!({"detail-type": "Scheduled Event", "source": "aws.events"}),
                "an event of Event",
            ),
            (json!({"version": "2.0", "requestContext": {"http": 7}}), "a damaged request"),
            (json!({"requestContext": 7}), "of an unknown kind"),
            (json!({"version": "2.0", "requestContext": {}}), "of an unknown kind"),
            (json!({}), "of an unknown kind"),
            (json!([1]), "of an unknown kind"),
            (json!("secret"), "of an unknown kind"),
        ] {
            let refusal = refusal(&event);
            assert!(refusal.starts_with(&format!("this event is {kind}")), "{event}: {refusal}");
            assert!(!refusal.contains("secret"));
        }
    }
}
