//! `drover relay resend`: has the history and the state of subjects sent to their feeds again. `drover relay watch`: has
//! the sweep look at subjects that are silent already.

use clap::{Args as ClapArgs, Subcommand};
use serde_json::{Value, json};

use super::caller::{Caller, NoAnswer};
use super::target::{FunctionArgs, NoTarget};

/// Operate the relay, which sends feeds and keeps alerts
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Clone, Debug)]
enum Command {
    Resend(ResendArgs),
    Watch(WatchArgs),
}

/// Watch subjects that are silent already, after a rule about silence was added
///
/// `drover apply` does this for the rules that it changes. Subjects that send events are watched anyway.
#[derive(ClapArgs, Clone, Debug)]
pub struct WatchArgs {
    /// The tenant
    #[arg(long)]
    tenant: String,
    #[command(flatten)]
    functions: FunctionArgs,
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

/// Why subjects are not, or not all, sent again or watched.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// No host or stack was found.
    #[error(transparent)]
    NoTarget(#[from] NoTarget),
    /// The call or the function failed.
    #[error("the relay did not finish; what it did stays done: subjects=`{subjects}`")]
    NoAnswer {
        /// The number of subjects that are done.
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

/// Has subjects sent again or watched, and reports their number.
///
/// # Errors
/// [`RelayError`].
pub async fn run(args: &Args) -> Result<String, RelayError> {
    match &args.command {
        Command::Resend(ResendArgs { tenant, subject, restored, functions }) => {
            let mut command = json!({ "action": "resend", "tenant": tenant, "restored": restored });
            if let (Some(subject), Value::Object(command)) = (subject, &mut command) {
                command.insert("subject".to_owned(), json!(subject));
            }
            let subjects = to_end(&functions.caller().await?, command).await?;
            let noun = if subjects == 1 { "subject is" } else { "subjects are" };
            Ok(format!("{subjects} {noun} sent to the feeds again\n"))
        }
        Command::Watch(WatchArgs { tenant, functions }) => {
            watch(&functions.caller().await?, tenant).await
        }
    }
}

/// Has the sweep watch the subjects of a tenant for silence, and reports their number.
///
/// # Errors
/// [`RelayError`].
pub(super) async fn watch(caller: &Caller, tenant: &str) -> Result<String, RelayError> {
    let subjects = to_end(caller, json!({ "action": "watch", "tenant": tenant })).await?;
    let noun = if subjects == 1 { "subject" } else { "subjects" };
    Ok(format!("watched for silence by the new rules: {subjects} {noun} of {tenant}\n"))
}

/// Repeats a command with the cursor of each answer until the last one. Returns the number of subjects.
async fn to_end(caller: &Caller, mut command: Value) -> Result<u64, RelayError> {
    let mut subjects = 0;
    loop {
        let answer = caller.call(drover_relay::FUNCTION, command.to_string().into()).await;
        let answer = answer.map_err(|source| RelayError::NoAnswer { subjects, source })?;
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        if let Some(message) = answer.pointer("/error/message").and_then(Value::as_str) {
            return Err(RelayError::Refused { message: message.to_owned() });
        }
        subjects += answer.get("subjects").and_then(Value::as_u64).unwrap_or_default();
        let cursor = answer.get("next_cursor").cloned().unwrap_or_default();
        if cursor.is_null() {
            return Ok(subjects);
        }
        if let Value::Object(command) = &mut command {
            command.insert("cursor".to_owned(), cursor);
        }
    }
}
