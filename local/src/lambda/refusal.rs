//! The errors of the Invoke API, with Lambda's texts, which SDKs convert to typed errors.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::task::JoinError;

/// Why an invocation was rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No function has this name.
    UnknownFunction { name: String },
    /// The event is larger than Lambda's limit.
    TooLarge { limit: usize },
    /// The body is not JSON; the reason contains no part of it.
    NotJson { reason: String },
    /// The value of `X-Amz-Invocation-Type` is unknown.
    UnknownInvocationType { value: String },
    /// The path or the method is not that of Invoke.
    UnknownOperation,
    /// The host failed, not the function.
    Broken,
}

impl Refusal {
    /// The task of an invocation was aborted, which happens only when the host stops.
    pub(super) fn broken(error: JoinError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "invocation was aborted");
        Self::Broken
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::UnknownFunction { .. } | Self::UnknownOperation => StatusCode::NOT_FOUND,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotJson { .. } | Self::UnknownInvocationType { .. } => StatusCode::BAD_REQUEST,
            Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_type(&self) -> &'static str {
        match self {
            Self::UnknownFunction { .. } => "ResourceNotFoundException",
            Self::TooLarge { .. } => "RequestTooLargeException",
            Self::NotJson { .. } => "InvalidRequestContentException",
            Self::UnknownInvocationType { .. } => "InvalidParameterValueException",
            Self::UnknownOperation => "UnknownOperationException",
            Self::Broken => "ServiceException",
        }
    }

    fn message(&self) -> String {
        match self {
            Self::UnknownFunction { name } => {
                format!("Function not found: arn:aws:lambda:us-east-1:000000000000:function:{name}")
            }
            Self::TooLarge { limit } => {
                format!(
                    "Request must be smaller than {limit} bytes for the InvokeFunction operation"
                )
            }
            Self::NotJson { reason } => format!("Could not parse request body into json: {reason}"),
            Self::UnknownInvocationType { value } => format!(
                "Value '{value}' at 'invocationType' failed to satisfy constraint: Member must \
                 satisfy enum value set: [Event, RequestResponse, DryRun]"
            ),
            Self::UnknownOperation => {
                "Only POST /2015-03-31/functions/NAME/invocations is supported".to_owned()
            }
            Self::Broken => "The invocation was aborted".to_owned(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let kind = if self == Self::Broken { "Service" } else { "User" };
        // Lambda's model capitalizes this member in one error only.
        let member = match self {
            Self::UnknownFunction { .. } => "Message",
            _ => "message",
        };
        let body = json!({ "Type": kind, member: self.message() });
        let headers = [("x-amzn-errortype", self.error_type())];
        (self.status(), headers, axum::Json(body)).into_response()
    }
}
