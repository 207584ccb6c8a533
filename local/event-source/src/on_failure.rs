//! What Lambda's on-failure messages of topics and of table streams have in common, and the retry
//! of reports and commits.

use std::time::Duration;

use drover_core::base::error::Unavailable;
use drover_core::base::time::Timestamp;
use serde::Serialize;

/// The delay before a report or a commit is repeated.
const PAUSE: Duration = Duration::from_millis(500);
const FUNCTION_ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:";

/// Why records were discarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Condition {
    /// The retries are exhausted.
    RetryAttemptsExhausted,
    /// The records are too old.
    RecordAgeExceeded,
    /// A single record is too large for an invocation.
    MaximumPayloadSizeExceeded,
}

/// `requestContext`: the last invocation, and why there is no further invocation.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RequestContext<'a> {
    pub(crate) request_id: &'a str,
    pub(crate) function_arn: &'a str,
    pub(crate) condition: Condition,
    pub(crate) approximate_invoke_count: u32,
}

/// `responseContext`: the response of the last invocation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ResponseContext {
    pub(crate) status_code: u16,
    pub(crate) executed_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) function_error: Option<String>,
}

/// The placeholder ARN of a function that is not on AWS.
pub(crate) fn function_arn(name: &str) -> String {
    format!("{FUNCTION_ARN}{name}")
}

/// RFC 3339 with milliseconds.
pub(crate) fn millis(time: Timestamp) -> String {
    let millis = time.micros().div_euclid(1_000);
    Timestamp::from_millis(millis).unwrap_or(time).to_string()
}

/// Repeats a report or a commit: a committed position without a report would silently lose a
/// record.
pub(crate) async fn until_it_succeeds<A>(what: &'static str, mut attempt: impl FnMut() -> A)
where
    A: Future<Output = Result<(), Unavailable>>,
{
    while let Err(error) = attempt().await {
        tracing::warn!(what, %error, "failed, retrying");
        tokio::time::sleep(PAUSE).await;
    }
}
