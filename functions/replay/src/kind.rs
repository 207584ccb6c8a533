//! Detects the kind of an event by its shape, because Lambda does not name it. For an unknown kind
//! the error lists the supported kinds, because a person sent the event.

use drover_http::gateway::{HttpEvent, NotARequest};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::queue::Message;

/// The kind of an event.
pub(crate) enum Kind {
    /// SQS messages.
    Messages(Vec<Message>),
    /// A command.
    Command,
    /// A request of a gateway.
    Request(HttpEvent),
}

/// An unsupported event. The message names its sender, or shows where parsing failed, but not the content,
/// which serde's message may quote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{fault}; this function accepts SQS messages (`Records` from `aws:sqs`), commands (`action`), and \
         HTTP API requests (payload 2.0)"
)]
pub struct NotTaken {
    fault: String,
}

/// The keys that identify the kind. Values are not parsed yet.
#[derive(Deserialize)]
struct Keys<'a> {
    #[serde(borrow, default, rename = "Records")]
    records: Option<Vec<&'a RawValue>>,
    #[serde(default)]
    action: Option<IgnoredAny>,
    #[serde(default, rename = "requestContext")]
    request_context: Option<IgnoredAny>,
}

impl Kind {
    pub(crate) fn of(event: &str) -> Result<Self, NotTaken> {
        let keys: Keys<'_> = serde_json::from_str(event).map_err(|fault| broken(&fault))?;
        match keys {
            Keys { records: Some(records), .. } => {
                let messages = records.into_iter().map(|record| message(record.get()));
                Ok(Self::Messages(messages.collect::<Result<_, _>>()?))
            }
            Keys { action: Some(_), request_context: None, .. } => Ok(Self::Command),
            Keys { .. } => Ok(Self::Request(HttpEvent::parse(event)?)),
        }
    }
}

fn message(record: &str) -> Result<Message, NotTaken> {
    let no_message = || NotTaken { fault: "a record is not an SQS message".to_owned() };
    let message: Message = serde_json::from_str(record).map_err(|_| no_message())?;
    if message.is_of_sqs() { Ok(message) } else { Err(no_message()) }
}

impl From<NotARequest> for NotTaken {
    fn from(event: NotARequest) -> Self {
        Self { fault: event.to_string() }
    }
}

fn broken(fault: &serde_json::Error) -> NotTaken {
    let (line, column) = (fault.line(), fault.column());
    NotTaken { fault: format!("invalid event: line={line} column={column}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(event: &str) -> String {
        Kind::of(event).err().expect("no kind").to_string()
    }

    #[test]
    fn an_unsupported_event_is_told_the_supported_kinds() {
        let unknown = fault("{}");
        let accepted = "; this function accepts SQS messages";
        assert!(unknown.starts_with(&format!("this event is of an unknown kind{accepted}")));
        assert!(fault("not JSON").starts_with("invalid event: line=1 column="));
        assert!(fault(r#"{"requestContext":7}"#).starts_with("this event is of an unknown kind; "));
        for balancer in
            [r#"{"requestContext":{"elb":{}}}"#, r#"{"action":"show","requestContext":{"elb":{}}}"#]
        {
            let balancer = fault(balancer);
            assert!(
                balancer.starts_with("this event is a request of an Application Load Balancer")
            );
            assert!(balancer.contains(accepted), "{balancer}");
        }
        let foreign = r#"{"Records":[{"eventSource":"aws:s3","messageId":"secret"}]}"#;
        let foreign = fault(foreign);
        assert!(foreign.starts_with("a record is not an SQS message"), "{foreign}");
        assert!(!foreign.contains("secret"));
    }

    #[test]
    fn an_empty_list_of_records_is_a_batch_of_messages() {
        assert!(
            matches!(Kind::of(r#"{"Records":[]}"#), Ok(Kind::Messages(none)) if none.is_empty())
        );
    }
}
