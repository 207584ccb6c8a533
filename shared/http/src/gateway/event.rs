//! Reads the event of an HTTP function. A request in payload format 2.0 is parsed once, from the text that
//! the runtime received; only an event that cannot be read is looked at again.

use std::borrow::Cow;
use std::collections::BTreeMap;

use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use lambda_http::http::{HeaderName, HeaderValue};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::{RawValue, to_raw_value};

use super::sender::{members, sender};

/// The payload format of HTTP APIs and function URLs that this crate reads.
const FORMAT: &str = "2.0";
/// The maximum length of the name of a header in a message, in bytes.
const NAME_BYTES: usize = 40;

/// A request of an HTTP API or of a function URL, in payload format 2.0.
#[derive(Debug)]
pub struct HttpEvent {
    pub(super) request: Box<ApiGatewayV2httpRequest>,
    /// The name of the first header that HTTP does not allow. The request comes without such headers.
    pub(super) damaged_header: Option<String>,
}

/// An event that is no request in payload format 2.0. The text names its sender and what to configure, and
/// shows nothing of the event.
///
/// Such an event is a mistake of the deployment, not of a caller: the invocation fails with this text, and
/// Lambda's own metric `Errors`, which has an alarm, counts it. Drover has no metric for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this event is {0}")]
pub struct NotARequest(&'static str);

impl HttpEvent {
    /// Reads an event.
    ///
    /// # Errors
    /// The event is no request in payload format 2.0.
    pub fn parse(event: &str) -> Result<Self, NotARequest> {
        if let Some(request) = request(event) {
            return Ok(Self { request, damaged_header: None });
        }
        without_damaged_headers(event).ok_or_else(|| NotARequest(sender(event)))
    }
}

/// From JSON text in memory, which is borrowed: `from_str` and `from_slice`, as the runtime has it.
impl<'de> Deserialize<'de> for HttpEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let event = <&RawValue>::deserialize(deserializer)?;
        Self::parse(event.get()).map_err(|event| {
            D::Error::custom(format_args!(
                "{event}; this function takes requests of API Gateway HTTP APIs and of function URLs \
                 (payload format 2.0)"
            ))
        })
    }
}

fn request(event: &str) -> Option<Box<ApiGatewayV2httpRequest>> {
    let request: ApiGatewayV2httpRequest = serde_json::from_str(event).ok()?;
    matches!(request.version.as_deref(), None | Some(FORMAT)).then(|| Box::new(request))
}

/// Reads a request without the headers that HTTP does not allow. `None`: they are not what is wrong.
fn without_damaged_headers(event: &str) -> Option<HttpEvent> {
    let mut event = members(event);
    let headers = members(event.get("headers")?.get());
    let (allowed, damaged): (BTreeMap<_, _>, BTreeMap<_, _>) =
        headers.into_iter().partition(|(name, value)| is_header(name, value));
    let mut name = damaged.into_keys().next()?;
    name.truncate(name.floor_char_boundary(NAME_BYTES));
    let allowed = to_raw_value(&allowed).ok()?;
    event.insert("headers".to_owned(), &allowed);
    let request = request(&serde_json::to_string(&event).ok()?)?;
    Some(HttpEvent { request, damaged_header: Some(name) })
}

fn is_header(name: &str, value: &RawValue) -> bool {
    let value: Option<Cow<'_, str>> = serde_json::from_str(value.get()).ok();
    let value = value.and_then(|value| HeaderValue::from_str(&value).ok());
    HeaderName::from_bytes(name.as_bytes()).is_ok() && value.is_some()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn event(headers: &Value) -> String {
        json!({"version": "2.0", "rawPath": "/", "headers": headers,
            "requestContext": {"http": {"method": "GET"}}})
        .to_string()
    }

    #[test]
    fn a_request_is_read_without_headers_that_http_does_not_allow() {
        for (headers, name) in [
            (json!({"a": "b"}), None),
            (json!({"a": "b", "x-name": "Zo\u{1}"}), Some("x-name".to_owned())),
            (json!({"a": "b", "x name": "b"}), Some("x name".to_owned())),
            (json!({"a": "b", "x-number": 7}), Some("x-number".to_owned())),
            (json!({"a": "b", "é".repeat(30): "b"}), Some("é".repeat(20))),
        ] {
            let read = HttpEvent::parse(&event(&headers)).expect("a request");
            assert_eq!(read.damaged_header, name, "{headers}");
            assert_eq!(
                (read.request.headers.len(), &read.request.headers["a"]),
                (1, &"b".parse().unwrap())
            );
        }
        assert!(HttpEvent::parse(&event(&json!("none"))).is_err());
    }

    #[test]
    fn an_invocation_error_names_the_sender_first_and_then_what_the_function_takes() {
        let rest = r#"{"requestContext": {"httpMethod": "GET"}}"#;
        let error = serde_json::from_str::<HttpEvent>(rest).expect_err("no request").to_string();
        assert!(error.starts_with("this event is a request of an API Gateway REST API"), "{error}");
        assert!(
            error.contains("; this function takes requests of API Gateway HTTP APIs"),
            "{error}"
        );
    }
}
