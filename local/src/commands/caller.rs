//! Invokes a function of a running host or of a stack, and reads its response.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Bytes;
use serde_json::Value;

use crate::client::{self, CallError};
use crate::function::FunctionError;
use crate::stack::{Stack, StackError, StackFunction};

/// The minimum interval between progress updates of a run on AWS, because each update is a paid
/// call.
const TOLD_EVERY: Duration = Duration::from_secs(2);

/// Invokes functions.
pub(super) enum Caller {
    /// By the host's Invoke API.
    Host(SocketAddr),
    /// By Lambda's Invoke API.
    Stack(Box<Stack>),
}

/// Why a function returned no response.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// The call to the host failed.
    #[error(transparent)]
    Host(#[from] CallError),
    /// The call to the stack failed, or Lambda rejected it.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// The host rejected the call.
    #[error("the host rejected the call: status=`{status}`, message=`{message}`")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The host's reason.
        message: String,
    },
    /// The name is not a function of a stack.
    #[error(
        "unknown function, expected ingest, notify, processor, query, relay or replay: name=`{name}`"
    )]
    Name {
        /// The name that was given.
        name: String,
    },
    /// The function failed.
    #[error("function failed: {0}")]
    Function(FunctionError),
}

impl Caller {
    /// Invokes a function and returns its response.
    ///
    /// # Errors
    /// [`NoAnswer`], including the function's own error.
    pub(super) async fn call(&self, name: &str, event: Bytes) -> Result<Bytes, NoAnswer> {
        let (function_failed, body) = match self {
            Self::Host(address) => {
                let answer = client::invoke(*address, name, event).await?;
                if !answer.status.is_success() {
                    let (status, message) = (answer.status.as_u16(), refusal_message(&answer.body));
                    return Err(NoAnswer::Refused { status, message });
                }
                (answer.function_failed, answer.body)
            }
            Self::Stack(stack) => {
                let function = StackFunction::named(name)
                    .ok_or_else(|| NoAnswer::Name { name: name.to_owned() })?;
                let answer = stack.invoke(function, event.into()).await?;
                (answer.function_failed, answer.body.into())
            }
        };
        if function_failed { Err(NoAnswer::Function(function_error(&body))) } else { Ok(body) }
    }

    /// The interval between calls that only poll.
    pub(super) fn pace(&self, wanted: Duration) -> Duration {
        match self {
            Self::Host(_) => wanted,
            Self::Stack(_) => wanted.max(TOLD_EVERY),
        }
    }
}

/// An error in another shape is shown as it is.
fn function_error(body: &[u8]) -> FunctionError {
    serde_json::from_slice(body).unwrap_or_else(|_| FunctionError {
        error_type: "Unhandled".to_owned(),
        error_message: String::from_utf8_lossy(body).into_owned(),
    })
}

fn refusal_message(body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let message = body.get("message").or_else(|| body.get("Message"));
    message.and_then(Value::as_str).unwrap_or("none").to_owned()
}
