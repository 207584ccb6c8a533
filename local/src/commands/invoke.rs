//! `drover invoke NAME FILE`: calls a function of the running host, as a developer does twenty
//! times an hour, or of a stack.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use axum::body::Bytes;
use clap::Args as ClapArgs;
use serde_json::Value;

use super::caller::NoAnswer;
use super::target::{FunctionArgs, NoTarget};

/// Call a function of the running host or of a stack with an event, and print its answer
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    /// The function: ingest, processor, query or replay
    name: String,
    /// A JSON file with the event, or - for the standard input
    file: PathBuf,
    #[command(flatten)]
    functions: FunctionArgs,
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
    /// Nobody to call it.
    #[error(transparent)]
    NoTarget(#[from] NoTarget),
    /// The call failed, or the function.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
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
    Ok(args.functions.caller().await?.call(&args.name, event.into()).await?)
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
