//! The shape of an alert, for the OpenAPI documents of the functions that return alerts.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::ToSchema;

/// An alert.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only for the OpenAPI document; an alert serializes itself")]
pub struct AlertBody {
    /// Stays the same while late events move the alert.
    #[schema(example = "8006431e5cdc0e00c5b1a4e8b0f7d2a9")]
    id: String,
    #[schema(example = "hot")]
    rule: String,
    /// The version of the rules that opened it.
    #[schema(example = 1)]
    rule_version: u32,
    subject: AlertSubject,
    #[schema(example = "warning")]
    severity: AlertSeverity,
    #[schema(example = "firing")]
    state: AlertStateName,
    #[schema(format = DateTime)]
    opened_at: String,
    /// When its condition no longer held; `null` while it holds.
    #[schema(format = DateTime, required = true)]
    closed_at: Option<String>,
    /// Why it closed: `cleared`, `quiet`, `heard` or `rule removed`.
    #[schema(required = true, example = "cleared")]
    ending: Option<String>,
    /// The number or text that opened it, or that raised its severity; `null` for a silence.
    value: Value,
    /// One line about it.
    #[schema(example = "d-1 is at 31 celsius")]
    summary: String,
    /// The labels of the rule.
    labels: BTreeMap<String, String>,
    /// What took it back, if it is retracted.
    #[schema(required = true)]
    cause: Option<AlertCause>,
    /// Whether its condition no longer holds and a person has to close it, because its rule has `latch`. Until then it
    /// is firing.
    #[schema(example = false)]
    latched: bool,
    /// The last acknowledgement.
    #[schema(required = true)]
    acknowledged: Option<AlertRemark>,
    /// Until when nobody is told.
    #[schema(format = DateTime, required = true)]
    snoozed_until: Option<String>,
    /// Who wants that nobody is told until then.
    #[schema(required = true)]
    snoozed: Option<AlertRemark>,
    /// Who wants that nobody is told until the alert is enabled again.
    #[schema(required = true)]
    disabled: Option<AlertRemark>,
    /// Who closed it, if its rule has `latch`.
    #[schema(required = true)]
    closed: Option<AlertRemark>,
}

/// An alert, and what the targets of notifications were told of it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only for the OpenAPI document; an alert serializes itself")]
pub struct ToldAlertBody {
    #[schema(inline)]
    #[serde(flatten)]
    alert: AlertBody,
    /// Whether it is simulated.
    test: Option<bool>,
    /// The last news that each target took, and the news that it has not taken yet.
    notified: Vec<AlertNotified>,
}

/// News for a target.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only for the OpenAPI document; an alert serializes itself")]
struct AlertNotified {
    #[schema(example = "ops")]
    target: String,
    #[schema(example = "opened")]
    transition: AlertNews,
    /// When the target took them; otherwise when the last try began.
    #[schema(format = DateTime)]
    at: String,
    /// The tries so far.
    #[schema(example = 1)]
    tries: u32,
    result: AlertDelivery,
    /// Why the last try failed.
    #[schema(required = true)]
    message: Option<String>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only for the OpenAPI document; an alert serializes itself")]
#[schema(rename_all = "lowercase")]
enum AlertNews {
    Opened,
    Moved,
    Raised,
    Acknowledged,
    Resolved,
    Retracted,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only for the OpenAPI document; an alert serializes itself")]
#[schema(rename_all = "lowercase")]
enum AlertDelivery {
    /// The target took the news.
    Delivered,
    /// A try is being made.
    Sending,
    /// A try failed, and another one follows.
    Retrying,
    /// No further try is made, and there is a dead letter.
    Undeliverable,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only for the OpenAPI document; an alert serializes itself")]
struct AlertSubject {
    #[schema(example = "device")]
    kind: String,
    #[schema(example = "d-1")]
    id: String,
}

/// The event that took an alert back; all are `null` if the history was told again.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only for the OpenAPI document; an alert serializes itself")]
struct AlertCause {
    #[schema(required = true)]
    event_id: Option<String>,
    #[schema(format = DateTime, required = true)]
    observed_at: Option<String>,
    /// How much later than that the event was received.
    #[schema(required = true, example = 90)]
    late_seconds: Option<i64>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only for the OpenAPI document; an alert serializes itself")]
#[schema(rename_all = "lowercase")]
enum AlertSeverity {
    Info,
    Warning,
    Error,
    Critical,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only for the OpenAPI document; an alert serializes itself")]
#[schema(rename_all = "lowercase")]
enum AlertStateName {
    /// The condition of its rule holds, or it is latched.
    Firing,
    /// The condition held, and no longer does.
    Resolved,
    /// A late event showed that it never was.
    Retracted,
}

/// Who acted, when and why.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only for the OpenAPI document; an alert serializes itself")]
struct AlertRemark {
    /// The name of the credentials.
    #[schema(example = "key:5f0c81b2")]
    by: String,
    #[schema(format = DateTime)]
    at: String,
    /// May be empty.
    #[schema(example = "on it")]
    note: String,
}
