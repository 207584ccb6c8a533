//! Lambda's `Invoke`: the request, and the meaning of its responses.
//!
//! <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>

use std::time::Duration;

use serde_json::Value;

use super::caller::{Answer, Call, Caller};
use super::error::StackError;
use super::service::Service;

/// The maximum duration of a function, plus a cold start.
const WITHIN: Duration = Duration::from_secs(900 + 30);
/// Lambda's maximum response of a function, in bytes.
const LARGEST: usize = 6 * 1024 * 1024 + 100;

/// The response of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoked {
    /// Whether the body is the error of the function.
    pub function_failed: bool,
    /// The body, as JSON.
    pub body: Vec<u8>,
}

/// Invokes a function and waits for its response.
///
/// # Errors
/// [`StackError`].
pub(super) async fn call(
    caller: &Caller,
    function: &str,
    event: Vec<u8>,
) -> Result<Invoked, StackError> {
    read(caller.send(&question(function, event)).await?)
}

fn question(function: &str, event: Vec<u8>) -> Call {
    Call {
        service: Service::Lambda,
        path: format!("/2015-03-31/functions/{}/invocations", encoded(function)),
        content_type: "application/json",
        body: event,
        within: WITHIN,
        largest: LARGEST,
    }
}

/// Percent-encodes a name, or an ARN with its colons.
fn encoded(function: &str) -> String {
    form_urlencoded::byte_serialize(function.as_bytes()).collect()
}

fn read(answer: Answer) -> Result<Invoked, StackError> {
    let Answer { status, function_failed, error_type, body } = answer;
    if (200..300).contains(&status) {
        return Ok(Invoked { function_failed, body });
    }
    let said: Value = serde_json::from_slice(&body).unwrap_or_default();
    // Lambda's model capitalizes this member in some errors.
    let message = said.get("message").or_else(|| said.get("Message")).and_then(Value::as_str);
    // Some of Lambda's front ends write `AccessDeniedException:http://internal.amazon.com/…`.
    let code = error_type.as_deref().and_then(|code| code.split(':').next());
    Err(StackError::Refused {
        service: Service::Lambda.name(),
        status,
        code: code.unwrap_or("none").to_owned(),
        message: message.unwrap_or("none").to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, error_type: Option<&str>, body: &str) -> Answer {
        let error_type = error_type.map(str::to_owned);
        Answer { status, function_failed: false, error_type, body: body.as_bytes().to_vec() }
    }

    #[test]
    fn the_path_contains_the_name_or_the_arn_of_the_function() {
        let path = |function| question(function, Vec::new()).path;
        assert_eq!(
            path("drover-Replay-1A2B"),
            "/2015-03-31/functions/drover-Replay-1A2B/invocations"
        );
        let arn = "arn:aws:lambda:eu-central-1:1:function:replay";
        let expected = "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-central-1%3A1%3Afunction%3Areplay\
             /invocations";
        assert_eq!(path(arn), expected);
        assert_eq!(path("../x"), "/2015-03-31/functions/..%2Fx/invocations");
    }

    #[test]
    fn an_error_has_the_code_and_the_message_of_lambda() {
        let denied = answer(
            403,
            Some("AccessDeniedException:http://internal.amazon.com/"),
            r#"{"Message":"you may not"}"#,
        );
        let expected = "Lambda rejected the request: status=`403`, code=`AccessDeniedException`, \
            message=`you may not`";
        assert_eq!(read(denied).unwrap_err().to_string(), expected);
        let bare = answer(502, None, "<html>");
        let expected = "Lambda rejected the request: status=`502`, code=`none`, message=`none`";
        assert_eq!(read(bare).unwrap_err().to_string(), expected);
    }
}
