//! `drover invoke NAME FILE`: invokes a function of the running host or of a stack.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use axum::body::Bytes;
use clap::Args as ClapArgs;
use serde_json::Value;

use super::caller::NoAnswer;
use super::target::{FunctionArgs, NoTarget};

/// Invoke a function of the running host or of a stack with an event, and print its response
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    /// The function: ingest, processor, query, relay or replay
    name: String,
    /// A JSON file with the event, or - for standard input
    file: PathBuf,
    #[command(flatten)]
    functions: FunctionArgs,
}

/// Why there is no response to print.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    /// The event cannot be read.
    #[error("cannot read the event: file=`{file}`")]
    Event {
        /// The file of the event.
        file: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// No host or stack was found.
    #[error(transparent)]
    NoTarget(#[from] NoTarget),
    /// The call or the function failed.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
}

/// The layout of the printed JSON.
#[derive(Clone, Copy, Debug)]
pub enum Layout {
    /// As received, for programs.
    Raw,
    /// Indented, for people.
    Pretty,
}

/// Invokes the function.
///
/// # Errors
/// [`InvokeError`], including the function's own error.
pub async fn run(args: &Args) -> Result<Bytes, InvokeError> {
    let event = read_event(&args.file)
        .map_err(|source| InvokeError::Event { file: args.file.clone(), source })?;
    Ok(args.functions.caller().await?.call(&args.name, event.into()).await?)
}

/// A response as text that ends with a line feed.
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
    fn a_response_that_is_not_json_is_shown_unchanged() {
        assert_eq!(shown(b"hello", Layout::Pretty), "hello\n");
    }
}
