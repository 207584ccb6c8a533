//! `drover relay resend`: has the history and the state of subjects sent to their feeds again.

use clap::{Args as ClapArgs, Subcommand};
use serde_json::{Value, json};

use super::caller::NoAnswer;
use super::target::{FunctionArgs, NoTarget};

/// Operate the relay, which sends feeds
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Clone, Debug)]
enum Command {
    Resend(ResendArgs),
}

/// Send the history and the state of subjects to the feeds again
#[derive(ClapArgs, Clone, Debug)]
pub struct ResendArgs {
    /// The tenant
    #[arg(long)]
    tenant: String,
    /// The subject [default: all subjects of the tenant]
    #[arg(long, value_name = "KIND/ID")]
    subject: Option<String>,
    /// The tenant's ledger table was restored: begin a new era, so that consumers of views take the restored
    /// ones for newer than what they have
    #[arg(long)]
    restored: bool,
    #[command(flatten)]
    functions: FunctionArgs,
}

/// Why subjects are not, or not all, sent again.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// No host or stack was found.
    #[error(transparent)]
    NoTarget(#[from] NoTarget),
    /// The call or the function failed.
    #[error("subjects before the failure are sent again: subjects=`{subjects}`")]
    NoAnswer {
        /// The number of subjects that are sent again.
        subjects: u64,
        /// The error of the call.
        source: NoAnswer,
    },
    /// The relay refused the command.
    #[error("{message}")]
    Refused {
        /// The reason.
        message: String,
    },
}

/// Has subjects sent again, and reports their number.
///
/// # Errors
/// [`RelayError`].
pub async fn run(args: &Args) -> Result<String, RelayError> {
    let Command::Resend(ResendArgs { tenant, subject, restored, functions }) = &args.command;
    let caller = functions.caller().await?;
    let (mut subjects, mut cursor) = (0, Value::Null);
    loop {
        let mut command = json!({
            "action": "resend", "tenant": tenant, "cursor": cursor, "restored": restored,
        });
        if let (Some(subject), Value::Object(command)) = (subject, &mut command) {
            command.insert("subject".to_owned(), json!(subject));
        }
        let answer = caller.call(drover_relay::FUNCTION, command.to_string().into()).await;
        let answer = answer.map_err(|source| RelayError::NoAnswer { subjects, source })?;
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        if let Some(message) = answer.pointer("/error/message").and_then(Value::as_str) {
            return Err(RelayError::Refused { message: message.to_owned() });
        }
        subjects += answer.get("subjects").and_then(Value::as_u64).unwrap_or_default();
        cursor = answer.get("next_cursor").cloned().unwrap_or_default();
        if cursor.is_null() {
            let noun = if subjects == 1 { "subject is" } else { "subjects are" };
            return Ok(format!("{subjects} {noun} sent to the feeds again\n"));
        }
    }
}
