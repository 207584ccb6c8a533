//! Which kind of event an invocation brings. Lambda does not say; the shape does. What is of no kind
//! is an error that says what is taken, because a person sent it.

use lambda_http::request::LambdaRequest;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::queue::Message;

/// What arrived.
pub(crate) enum Kind {
    /// Messages of a queue.
    Messages(Vec<Message>),
    /// A command.
    Command,
    /// A request of an HTTP API.
    Request(Box<LambdaRequest>),
}

/// An event of no kind that is taken here. It says where it broke off, but not what it holds:
/// serde's own message may quote it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{fault}: this function takes messages of SQS (`Records` of `aws:sqs`), commands (`action`), and \
     requests of an HTTP API (payload 2.0)"
)]
pub struct NotTaken {
    fault: String,
}

/// The keys that tell kinds apart. No value is looked at yet.
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
            Keys { request_context: Some(_), .. } => {
                let request = serde_json::from_str(event);
                Ok(Self::Request(Box::new(request.map_err(|fault| broken(&fault))?)))
            }
            Keys { action: Some(_), .. } => Ok(Self::Command),
            Keys { records: None, action: None, request_context: None } => {
                Err(NotTaken { fault: "an event of an unknown kind".to_owned() })
            }
        }
    }
}

fn message(record: &str) -> Result<Message, NotTaken> {
    let no_message = || NotTaken { fault: "a record that is no message of SQS".to_owned() };
    let message: Message = serde_json::from_str(record).map_err(|_| no_message())?;
    if message.is_of_sqs() { Ok(message) } else { Err(no_message()) }
}

fn broken(fault: &serde_json::Error) -> NotTaken {
    let (line, column) = (fault.line(), fault.column());
    NotTaken { fault: format!("an event that cannot be read: line={line} column={column}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(event: &str) -> String {
        Kind::of(event).err().expect("no kind").to_string()
    }

    #[test]
    fn what_is_of_no_kind_hears_what_is_taken() {
        let unknown = fault("{}");
        assert!(unknown.starts_with("an event of an unknown kind: this function takes"));
        assert!(fault("not JSON").starts_with("an event that cannot be read: line=1 column="));
        assert!(fault(r#"{"requestContext":7}"#).starts_with("an event that cannot be read"));
        let foreign = r#"{"Records":[{"eventSource":"aws:s3","messageId":"secret"}]}"#;
        let foreign = fault(foreign);
        assert!(foreign.starts_with("a record that is no message of SQS"), "{foreign}");
        assert!(!foreign.contains("secret"));
    }

    #[test]
    fn an_event_without_messages_is_one_of_a_queue() {
        assert!(
            matches!(Kind::of(r#"{"Records":[]}"#), Ok(Kind::Messages(none)) if none.is_empty())
        );
    }
}
