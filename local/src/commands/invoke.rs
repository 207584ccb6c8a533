//! `drover invoke NAME FILE`: calls a function of the running host, as a developer does twenty
//! times an hour.

use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use axum::body::Bytes;
use clap::Args as ClapArgs;
use serde_json::Value;

use super::DataArg;
use crate::client::{self, CallError};
use crate::data_folder::{NoHost, running_host};
use crate::function::FunctionError;

/// Call a function of the running host with an event, and print its answer
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    /// The function
    name: String,
    /// A JSON file with the event, or - for the standard input
    file: PathBuf,
    #[command(flatten)]
    data: DataArg,
    /// Lambda's address [default: the running host's]
    #[arg(long, value_name = "ADDRESS")]
    lambda: Option<SocketAddr>,
}

/// Why there is no answer to print.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    /// The event cannot be read.
    #[error("cannot read the event: file=`{file}`")]
    Event {
        /// Where it should be.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No host.
    #[error(transparent)]
    NoHost(#[from] NoHost),
    /// The call failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The host did not let the function run.
    #[error("the host refused the call: status=`{status}`, message=`{message}`")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The host's reason.
        message: String,
    },
    /// The function failed.
    #[error("the function failed: {0}")]
    Function(FunctionError),
}

/// How JSON is shown.
#[derive(Clone, Copy, Debug)]
pub enum Layout {
    /// As it came, for programs.
    Raw,
    /// Indented, for people.
    Pretty,
}

/// Calls the function.
///
/// # Errors
/// [`InvokeError`]; a function's own error is one of them.
pub async fn run(args: &Args) -> Result<Bytes, InvokeError> {
    let event = read_event(&args.file)
        .map_err(|source| InvokeError::Event { file: args.file.clone(), source })?;
    let address = match args.lambda {
        Some(address) => address,
        None => running_host(&args.data.data)?.addresses.lambda,
    };
    call(address, &args.name, event.into()).await
}

/// Calls a function of a host, and gives its answer.
///
/// # Errors
/// [`InvokeError`]; a function's own error is one of them.
pub(super) async fn call(
    address: SocketAddr,
    name: &str,
    event: Bytes,
) -> Result<Bytes, InvokeError> {
    let answer = client::invoke(address, name, event).await?;
    if !answer.status.is_success() {
        let (status, message) = (answer.status.as_u16(), refusal_message(&answer.body));
        return Err(InvokeError::Refused { status, message });
    }
    if answer.function_failed {
        return Err(InvokeError::Function(function_error(&answer.body)));
    }
    Ok(answer.body)
}

/// An answer as text with a line feed at the end.
pub fn shown(answer: &[u8], layout: Layout) -> String {
    let raw = || String::from_utf8_lossy(answer).into_owned();
    let text = match layout {
        Layout::Raw => raw(),
        Layout::Pretty => serde_json::from_slice::<Value>(answer)
            .and_then(|answer| serde_json::to_string_pretty(&answer))
            .unwrap_or_else(|_| raw()),
    };
    text + "\n"
}

fn read_event(file: &Path) -> std::io::Result<Vec<u8>> {
    if file != Path::new("-") {
        return std::fs::read(file);
    }
    let mut event = Vec::new();
    std::io::stdin().lock().read_to_end(&mut event)?;
    Ok(event)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_get_indented_json_and_programs_the_bytes() {
        let answer = br#"{"batchItemFailures":[]}"#;
        assert_eq!(shown(answer, Layout::Raw), "{\"batchItemFailures\":[]}\n");
        assert_eq!(shown(answer, Layout::Pretty), "{\n  \"batchItemFailures\": []\n}\n");
    }

    #[test]
    fn an_answer_that_is_no_json_is_shown_as_it_came() {
        assert_eq!(shown(b"hello", Layout::Pretty), "hello\n");
    }
}
