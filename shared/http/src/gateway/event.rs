//! Reads the event of an HTTP function. A request in payload format 2.0 is parsed once, from the text that
//! the runtime received; only an event that is none is read a second time, to name its sender.

use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::source::{Gateway, Source};

/// The payload format of HTTP APIs and function URLs that this crate reads.
const FORMAT: &str = "2.0";

/// An event that expects an HTTP response.
#[derive(Debug)]
pub enum HttpEvent {
    /// A request of an HTTP API or of a function URL, in payload format 2.0.
    Request(Box<ApiGatewayV2httpRequest>),
    /// A request in another format. The message names the sender.
    Misdirected(Gateway),
}

/// An event that expects no HTTP response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this function takes requests of API Gateway HTTP APIs and of function URLs (payload format 2.0), and \
     this event is {0}"
)]
pub struct NotARequest(pub(super) &'static str);

impl HttpEvent {
    /// Reads an event.
    ///
    /// # Errors
    /// The event is no request of any gateway.
    pub fn parse(event: &str) -> Result<Self, NotARequest> {
        match serde_json::from_str::<ApiGatewayV2httpRequest>(event) {
            Ok(request) if matches!(request.version.as_deref(), None | Some(FORMAT)) => {
                Ok(Self::Request(Box::new(request)))
            }
            Ok(_) | Err(_) => match Source::of(event) {
                Source::Gateway(gateway) => Ok(Self::Misdirected(gateway)),
                Source::Other(kind) => Err(NotARequest(kind)),
            },
        }
    }
}

/// From JSON text in memory, which is borrowed: `from_str` and `from_slice`, as the runtime has it.
impl<'de> Deserialize<'de> for HttpEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let event = <&RawValue>::deserialize(deserializer)?;
        Self::parse(event.get()).map_err(D::Error::custom)
    }
}
