//! The port for invoking a function in the same process.
//!
//! The implementation handles deadlines, panics and concurrency limits.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

/// The pending response of an invocation.
pub type Answered = BoxFuture<'static, Result<Bytes, FunctionError>>;

/// The functions of this process.
pub trait Invoke: Send + Sync + 'static {
    /// Starts one invocation, which runs at most for `patience`. `None`: no function has this name.
    fn invoke(
        &self,
        name: &str,
        event: Bytes,
        request_id: String,
        patience: Duration,
    ) -> Option<Answered>;
}

/// Why a function returned no response, in the form of Lambda's error responses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase")]
#[error("{error_type}: {error_message}")]
pub struct FunctionError {
    /// The kind of the failure.
    pub error_type: String,
    /// The message, for a person.
    pub error_message: String,
}
