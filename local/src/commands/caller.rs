//! One call of a function, of a running host or of a stack, and what its answer means.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Bytes;
use serde_json::Value;

use crate::client::{self, CallError};
use crate::function::FunctionError;
use crate::stack::{Stack, StackError, StackFunction};

/// How often a person is told of a run on AWS: each time is a call that costs.
const TOLD_EVERY: Duration = Duration::from_secs(2);

/// Somebody who calls functions.
pub(super) enum Caller {
    /// Over the host's Invoke API.
    Host(SocketAddr),
    /// Over Lambda's own.
    Stack(Box<Stack>),
}

/// Why a function has no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// The call of a host failed.
    #[error(transparent)]
    Host(#[from] CallError),
    /// The call of a stack failed, or Lambda refused it.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// The host did not let the function run.
    #[error("the host refused the call: status=`{status}`, message=`{message}`")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The host's reason.
        message: String,
    },
    /// No function of a stack.
    #[error("a stack has the functions ingest, processor, query and replay: name=`{name}`")]
    Name {
        /// What was given instead.
        name: String,
    },
    /// The function failed.
    #[error("the function failed: {0}")]
    Function(FunctionError),
}

impl Caller {
    /// Calls a function, and gives its answer.
    ///
    /// # Errors
    /// [`NoAnswer`]; a function's own error is one of them.
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

    /// How far apart calls are that only look.
    pub(super) fn pace(&self, wanted: Duration) -> Duration {
        match self {
            Self::Host(_) => wanted,
            Self::Stack(_) => wanted.max(TOLD_EVERY),
        }
    }
}

/// What is no function error by its shape is shown as it is.
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
