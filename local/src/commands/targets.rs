//! `drover targets`: the targets of notifications of a tenant.

use std::time::Duration;

use clap::{Args as ClapArgs, Subcommand};
use serde_json::{Value, json};

use super::caller::{Caller, NoAnswer};
use super::target::{FunctionArgs, NoTarget};
use super::text::{printable, table};

const POLL: Duration = Duration::from_millis(300);
/// How long a test waits for the target's answer: a try may last 15 seconds, and the queue of a stack takes some.
const WAIT: Duration = Duration::from_secs(40);

/// List and test the targets of notifications of a tenant
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Clone, Debug)]
enum Command {
    /// List the targets of a tenant, and which are switched off
    List {
        /// The tenant
        tenant: String,
        #[command(flatten)]
        functions: FunctionArgs,
    },
    /// Send a simulated alert to a target, and its end a minute later
    Test {
        /// The tenant
        tenant: String,
        /// The target
        target: String,
        #[command(flatten)]
        functions: FunctionArgs,
    },
}

/// Why targets are not listed, or a test did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum TargetsError {
    /// No host or stack was found.
    #[error(transparent)]
    NoTarget(#[from] NoTarget),
    /// The call or the function failed.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    /// The function refused the command.
    #[error("{message}")]
    Refused {
        /// The reason.
        message: String,
    },
    /// The target did not take the notification.
    #[error("the target did not take the test, which is tried again: {message}")]
    NotTaken {
        /// The reason.
        message: String,
    },
    /// Nothing is known yet.
    #[error(
        "no try was recorded within {} seconds; GET /api/v1/alerts/{alert} shows later ones",
        WAIT.as_secs()
    )]
    NoTry {
        /// The simulated alert.
        alert: String,
    },
}

/// Lists or tests targets.
///
/// # Errors
/// [`TargetsError`].
pub async fn run(args: &Args) -> Result<String, TargetsError> {
    match &args.command {
        Command::List { tenant, functions } => {
            let caller = functions.caller().await?;
            let answer = call(&caller, &json!({ "action": "targets", "tenant": tenant })).await?;
            Ok(listed(&answer))
        }
        Command::Test { tenant, target, functions } => {
            let caller = functions.caller().await?;
            test(&caller, tenant, target).await
        }
    }
}

async fn call(caller: &Caller, command: &Value) -> Result<Value, TargetsError> {
    let answer = caller.call(drover_notify::FUNCTION, command.to_string().into()).await?;
    let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
    match answer.pointer("/error/message").and_then(Value::as_str) {
        Some(message) => Err(TargetsError::Refused { message: message.to_owned() }),
        None => Ok(answer),
    }
}

async fn test(caller: &Caller, tenant: &str, target: &str) -> Result<String, TargetsError> {
    let command = json!({ "action": "test", "tenant": tenant, "target": target });
    let answer = call(caller, &command).await?;
    let alert = answer.get("alert").and_then(Value::as_str).unwrap_or_default().to_owned();
    let pace = caller.pace(POLL);
    let polls = WAIT.as_millis() / pace.as_millis().max(1);
    for _ in 0..polls {
        tokio::time::sleep(pace).await;
        let command = json!({ "action": "told", "tenant": tenant, "alert": alert });
        let answer = call(caller, &command).await?;
        let line = answer.pointer("/notified/0");
        let text = |name: &str| line.and_then(|line| line.get(name)?.as_str());
        match text("result") {
            Some("delivered") => {
                return Ok(format!(
                    "{target} took the test; its end follows in a minute: alert=`{alert}`\n"
                ));
            }
            Some("retrying" | "undeliverable") => {
                let message = printable(text("message").unwrap_or_default());
                return Err(TargetsError::NotTaken { message });
            }
            _ => {}
        }
    }
    Err(TargetsError::NoTry { alert })
}

fn listed(answer: &Value) -> String {
    let targets = answer.get("targets").and_then(Value::as_array);
    let targets = targets.map(Vec::as_slice).unwrap_or_default();
    if targets.is_empty() {
        return "no targets\n".to_owned();
    }
    let cells = |target: &Value| {
        let text = |path: &str| {
            let found = target.pointer(path).and_then(Value::as_str);
            found.map_or_else(|| "-".to_owned(), printable)
        };
        let state = match target.get("off") {
            Some(Value::Object(_)) => format!("off since {}", text("/off/since")),
            _ => "on".to_owned(),
        };
        [text("/id"), text("/kind"), state, text("/off/reason")]
    };
    let mut out = String::new();
    let cells: Vec<_> = targets.iter().map(cells).collect();
    table(&mut out, ["target", "kind", "state", "reason"], &cells);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_says_which_targets_are_off_and_why() {
        let answer = json!({ "targets": [
            { "id": "ops", "kind": "webhook", "off": null },
            { "id": "am", "kind": "alertmanager",
              "off": { "since": "2026-11-21T06:00:00.000Z", "reason": "410" } },
        ]});
        let expected = concat!(
            "  target  kind          state                               reason\n",
            "  ops     webhook       on                                  -\n",
            "  am      alertmanager  off since 2026-11-21T06:00:00.000Z  410\n",
        );
        assert_eq!(listed(&answer), expected);
        assert_eq!(listed(&json!({ "targets": [] })), "no targets\n");
    }
}
