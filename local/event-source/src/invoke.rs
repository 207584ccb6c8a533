//! What an event source asks of the process that it runs in: to invoke a function of this process.
//!
//! The deadline of an invocation, what a panic costs, and how many run at once are the business of
//! the implementation.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

/// What came back from an invocation.
pub type Answered = BoxFuture<'static, Result<Bytes, FunctionError>>;

/// The functions of this process.
pub trait Invoke: Send + Sync + 'static {
    /// Runs one invocation to its end, but no longer than the caller can wait. `None`: there is no
    /// function of this name.
    fn invoke(
        &self,
        name: &str,
        event: Bytes,
        request_id: String,
        patience: Duration,
    ) -> Option<Answered>;
}

/// Why a function has no answer, in the words of Lambda's own error answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase")]
#[error("{error_type}: {error_message}")]
pub struct FunctionError {
    /// What kind of failure it is.
    pub error_type: String,
    /// For a person.
    pub error_message: String,
}
