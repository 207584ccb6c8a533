//! `drover alerts`: the alerts of a tenant.

use clap::Args as ClapArgs;
use serde_json::{Value, json};

use super::caller::NoAnswer;
use super::target::{FunctionArgs, NoTarget};
use super::text::{printable, table};

const COLUMNS: [&str; 8] =
    ["id", "subject", "rule", "severity", "state", "opened", "closed", "summary"];

/// List the alerts of a tenant, the newest first
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    /// The tenant
    tenant: String,
    /// Only alerts that are firing
    #[arg(long)]
    open: bool,
    /// Stop after this many alerts
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    limit: usize,
    /// Print JSON, one alert a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    functions: FunctionArgs,
}

/// Why no alerts are listed.
#[derive(Debug, thiserror::Error)]
pub enum AlertsError {
    /// No host or stack was found.
    #[error(transparent)]
    NoTarget(#[from] NoTarget),
    /// The call or the function failed.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    /// The relay refused the command.
    #[error("{message}")]
    Refused {
        /// The reason.
        message: String,
    },
}

/// Lists alerts.
///
/// # Errors
/// [`AlertsError`].
pub async fn run(args: &Args) -> Result<String, AlertsError> {
    let caller = args.functions.caller().await?;
    let (mut alerts, mut cursor): (Vec<Value>, Value) = (Vec::new(), Value::Null);
    loop {
        let command = json!({
            "action": "alerts", "tenant": args.tenant, "open": args.open, "cursor": cursor,
        });
        let answer = caller.call(drover_relay::FUNCTION, command.to_string().into()).await?;
        let mut answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        if let Some(message) = answer.pointer("/error/message").and_then(Value::as_str) {
            return Err(AlertsError::Refused { message: message.to_owned() });
        }
        if let Some(Value::Array(page)) = answer.get_mut("alerts").map(Value::take) {
            alerts.extend(page);
        }
        cursor = answer.get("next_cursor").cloned().unwrap_or_default();
        if cursor.is_null() || alerts.len() >= args.limit {
            break;
        }
    }
    alerts.truncate(args.limit);
    Ok(if args.json { lines(&alerts) } else { text(&alerts) })
}

fn lines(alerts: &[Value]) -> String {
    alerts.iter().map(|alert| format!("{alert}\n")).collect()
}

fn text(alerts: &[Value]) -> String {
    if alerts.is_empty() {
        return "no alerts\n".to_owned();
    }
    let mut out = String::new();
    table(&mut out, COLUMNS, &alerts.iter().map(cells).collect::<Vec<_>>());
    out
}

fn cells(alert: &Value) -> [String; 8] {
    let text = |path: &str| {
        let found = alert.pointer(path).and_then(Value::as_str);
        found.map_or_else(|| "-".to_owned(), printable)
    };
    let subject = format!("{}/{}", text("/subject/kind"), text("/subject/id"));
    // What took an alert back explains more than what it was about.
    let summary = match alert.pointer("/cause/event_id").and_then(Value::as_str) {
        Some(event) => format!("{}; taken back by event {}", text("/summary"), printable(event)),
        None => text("/summary"),
    };
    [
        text("/id"),
        subject,
        text("/rule"),
        text("/severity"),
        text("/state"),
        text("/opened_at"),
        text("/closed_at"),
        summary,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_one_line_for_each_alert() {
        let alert = json!({
            "id": "8006431e5cdc0e00c5b1a4e8b0f7d2a9", "rule": "hot", "severity": "warning",
            "subject": { "kind": "device", "id": "d-1\u{1b}" }, "state": "retracted",
            "opened_at": "2026-11-21T06:00:00.000Z", "closed_at": null, "summary": "d-1 is hot",
            "cause": { "event_id": "e-7", "observed_at": null, "late_seconds": null },
        });
        let expected = concat!(
            "  id                                subject      rule  severity  state      ",
            "opened                    closed  summary\n",
            "  8006431e5cdc0e00c5b1a4e8b0f7d2a9  device/d-1\u{fffd}  hot   warning   retracted  ",
            "2026-11-21T06:00:00.000Z  -       d-1 is hot; taken back by event e-7\n",
        );
        assert_eq!(text(&[alert]), expected);
        assert_eq!(text(&[]), "no alerts\n");
    }
}
