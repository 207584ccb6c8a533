//! A call of a function: Lambda's `Invoke`, and what its answers mean.
//!
//! <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>

use std::time::Duration;

use serde_json::Value;

use super::caller::{Answer, Call, Caller};
use super::error::StackError;
use super::service::Service;

/// The longest that a function runs, and the start of a cold environment.
const WITHIN: Duration = Duration::from_secs(900 + 30);
/// The largest answer of a function that Lambda sends, in bytes.
const LARGEST: usize = 6 * 1024 * 1024 + 100;

/// What a function answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoked {
    /// The function failed, and this is its error.
    pub function_failed: bool,
    /// JSON.
    pub body: Vec<u8>,
}

/// Calls a function and waits for its answer.
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

/// A name, or an ARN with its colons.
fn encoded(function: &str) -> String {
    form_urlencoded::byte_serialize(function.as_bytes()).collect()
}

fn read(answer: Answer) -> Result<Invoked, StackError> {
    let Answer { status, function_failed, error_type, body } = answer;
    if (200..300).contains(&status) {
        return Ok(Invoked { function_failed, body });
    }
    let said: Value = serde_json::from_slice(&body).unwrap_or_default();
    // Lambda's model writes this member with a capital in some errors.
    let message = said.get("message").or_else(|| said.get("Message")).and_then(Value::as_str);
    // `AccessDeniedException:http://internal.amazon.com/…` is how some of its front doors write it.
    let code = error_type.as_deref().and_then(|code| code.split(':').next());
    Err(StackError::Refused {
        service: Service::Lambda.name(),
        status,
        code: code.unwrap_or("none").to_owned(),
        message: message.unwrap_or("nothing").to_owned(),
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
    fn a_function_is_named_in_the_path_by_its_name_or_its_arn() {
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
    fn a_refusal_is_told_in_the_words_of_lambda() {
        let denied = answer(
            403,
            Some("AccessDeniedException:http://internal.amazon.com/"),
            r#"{"Message":"you may not"}"#,
        );
        let expected =
            "Lambda refused: status=`403`, code=`AccessDeniedException`, said=`you may not`";
        assert_eq!(read(denied).unwrap_err().to_string(), expected);
        let bare = answer(502, None, "<html>");
        let expected = "Lambda refused: status=`502`, code=`none`, said=`nothing`";
        assert_eq!(read(bare).unwrap_err().to_string(), expected);
    }
}
