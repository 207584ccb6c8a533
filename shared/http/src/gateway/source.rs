//! Names the sender of an event that is no request in payload format 2.0, by the members that only its
//! events have. Values are read only as far as needed, and none of them is shown except the name of a header.

use std::borrow::Cow;
use std::collections::BTreeMap;

use lambda_http::http::{HeaderName, HeaderValue};
use serde_json::value::RawValue;

/// The maximum length of the name of a header in a message, in bytes.
const NAME_BYTES: usize = 40;

/// The sender of an event.
#[derive(Debug)]
pub(super) enum Source {
    /// A gateway that expects an HTTP response.
    Gateway(Gateway),
    /// Another sender, as the end of a sentence.
    Other(&'static str),
}

/// A gateway whose requests this crate cannot read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gateway {
    /// An API Gateway REST API.
    RestApi,
    /// An API Gateway HTTP API whose integration has another payload format than 2.0.
    OtherFormat,
    /// An API Gateway WebSocket API.
    WebSocketApi,
    /// An Application Load Balancer.
    LoadBalancer(HeaderForm),
    /// VPC Lattice.
    Lattice,
    /// An HTTP API in payload format 2.0, but the event is damaged: the header, if one is.
    Unreadable(Option<String>),
}

/// How a load balancer sends and expects headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderForm {
    /// One value for each name.
    Single,
    /// A list of values for each name.
    Multiple,
}

type Members<'a> = BTreeMap<String, &'a RawValue>;

impl Source {
    pub(super) fn of(event: &str) -> Self {
        let event = members(event);
        let context = event.get("requestContext").map(|context| members(context.get()));
        match context.and_then(|context| gateway(&event, &context)) {
            Some(gateway) => Self::Gateway(gateway),
            None if event.contains_key("raw_path") => Self::Gateway(Gateway::Lattice),
            None => Self::Other(other(&event)),
        }
    }
}

/// The members of an object; none for other values.
fn members(json: &str) -> Members<'_> {
    serde_json::from_str(json).unwrap_or_default()
}

fn text<'a>(members: &Members<'a>, name: &str) -> Option<Cow<'a, str>> {
    members.get(name).and_then(|value| serde_json::from_str(value.get()).ok())
}

/// `None`: no known gateway.
fn gateway(event: &Members<'_>, context: &Members<'_>) -> Option<Gateway> {
    let has = |name| context.contains_key(name);
    if has("elb") {
        let multiple = event.contains_key("multiValueHeaders");
        let form = if multiple { HeaderForm::Multiple } else { HeaderForm::Single };
        return Some(Gateway::LoadBalancer(form));
    }
    if has("serviceNetworkArn") || has("serviceArn") {
        return Some(Gateway::Lattice);
    }
    if has("connectionId") && (has("eventType") || has("messageDirection")) {
        return Some(Gateway::WebSocketApi);
    }
    match text(event, "version").as_deref() {
        Some("1.0") => Some(Gateway::OtherFormat),
        None | Some("2.0") if has("http") => Some(Gateway::Unreadable(damaged_header(event))),
        Some(_) if has("http") => Some(Gateway::OtherFormat),
        _ if has("httpMethod") || has("resourcePath") => Some(Gateway::RestApi),
        _ => None,
    }
}

/// The name of the first header that HTTP does not allow, cut to [`NAME_BYTES`].
fn damaged_header(event: &Members<'_>) -> Option<String> {
    let headers = members(event.get("headers")?.get());
    let damaged = headers.iter().find(|(name, value)| {
        let value: Option<Cow<'_, str>> = serde_json::from_str(value.get()).ok();
        let value = value.and_then(|value| HeaderValue::from_str(&value).ok());
        HeaderName::from_bytes(name.as_bytes()).is_err() || value.is_none()
    });
    damaged.map(|(name, _)| {
        name.get(..name.floor_char_boundary(NAME_BYTES)).unwrap_or_default().to_owned()
    })
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

    use super::*;
    use crate::gateway::{HttpEvent, NotARequest};

    fn gateway_of(event: &Value) -> Gateway {
        match HttpEvent::parse(&event.to_string()) {
            Ok(HttpEvent::Misdirected(gateway)) => gateway,
            other => panic!("{event}: {other:?}"),
        }
    }

    #[test]
    fn each_gateway_is_known_by_its_events() {
        for (event, expected) in [
            (
                json!({"httpMethod": "GET", "path": "/", "requestContext": {"elb": {}}}),
                Gateway::LoadBalancer(HeaderForm::Single),
            ),
            (
                json!({"path": "/", "requestContext": {"elb": {}}, "multiValueHeaders": {}}),
                Gateway::LoadBalancer(HeaderForm::Multiple),
            ),
            (
                json!({"path": "/", "requestContext": {"resourcePath": "/", "httpMethod": "GET"}}),
                Gateway::RestApi,
            ),
            (
                json!({"version": "1.0", "requestContext": {"resourcePath": "/", "httpMethod": "GET"}}),
                Gateway::OtherFormat,
            ),
            (
                json!({"version": "3.0", "rawPath": "/", "requestContext": {"http": {"method": "GET"}}}),
                Gateway::OtherFormat,
            ),
            (
                json!({"requestContext": {"connectionId": "c", "eventType": "CONNECT", "routeKey": "$connect"}}),
                Gateway::WebSocketApi,
            ),
            (
                json!({"version": "2.0", "path": "/", "method": "GET", "requestContext": {"serviceArn": "a"}}),
                Gateway::Lattice,
            ),
            (json!({"raw_path": "/", "method": "GET"}), Gateway::Lattice),
        ] {
            assert_eq!(gateway_of(&event), expected, "{event}");
        }
    }

    #[test]
    fn a_damaged_request_names_the_header_and_shows_no_value() {
        let event = |headers: Value| {
            json!({"version": "2.0", "rawPath": "/", "headers": headers,
                "requestContext": {"http": {"method": "GET"}}})
        };
        let damaged = |headers| gateway_of(&event(headers));
        let named = |name: &str| Gateway::Unreadable(Some(name.to_owned()));
        assert_eq!(damaged(json!({"a": "b", "x-name": "Zo\u{1}"})), named("x-name"));
        assert_eq!(damaged(json!({"x name": "b"})), named("x name"));
        assert_eq!(damaged(json!({"é".repeat(30): "b"})), named(&"é".repeat(20)));
        assert_eq!(damaged(json!("none")), Gateway::Unreadable(None));
        assert_eq!(
            gateway_of(&json!({"version": "2.0", "requestContext": {"http": 7}})),
            Gateway::Unreadable(None)
        );
    }

    #[test]
    fn what_is_no_request_is_told_where_it_belongs() {
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
            (json!({"requestContext": 7}), "of an unknown kind"),
            (json!({"version": "2.0", "requestContext": {}}), "of an unknown kind"),
            (json!({}), "of an unknown kind"),
            (json!([1]), "of an unknown kind"),
            (json!("secret"), "of an unknown kind"),
        ] {
            let error = HttpEvent::parse(&event.to_string()).expect_err("no request");
            assert!(error.0.starts_with(kind), "{event}: {error}");
            let NotARequest(kind) = error;
            assert!(!kind.contains("secret"));
        }
    }
}
