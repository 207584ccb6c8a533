//! What the Invoke API refuses, in Lambda's words. SDKs make their typed errors of it.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::task::JoinError;

/// Why a call never reached a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No function of that name.
    UnknownFunction { name: String },
    /// More bytes than Lambda takes.
    TooLarge { limit: usize },
    /// A body that is not JSON; the reason holds nothing of it.
    NotJson { reason: String },
    /// A value of `X-Amz-Invocation-Type` that Lambda does not know.
    UnknownInvocationType { value: String },
    /// Another path or method than that of Invoke.
    UnknownOperation,
    /// The host failed, not the function.
    Broken,
}

impl Refusal {
    /// The task around an invocation did not end as tasks do: only at the host's end.
    pub(super) fn broken(error: JoinError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "invocation was cut off");
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
                "Only POST /2015-03-31/functions/NAME/invocations exists here".to_owned()
            }
            Self::Broken => "The invocation was cut off".to_owned(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let kind = if self == Self::Broken { "Service" } else { "User" };
        // Lambda's model writes this member with a capital in one error, and small in all others.
        let member = match self {
            Self::UnknownFunction { .. } => "Message",
            _ => "message",
        };
        let body = json!({ "Type": kind, member: self.message() });
        let headers = [("x-amzn-errortype", self.error_type())];
        (self.status(), headers, axum::Json(body)).into_response()
    }
}
