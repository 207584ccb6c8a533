//! Alertmanager, API v2: <https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml>.
//!
//! The labels of an alert are its identity there. All news of an alert have the same labels, and two alerts of one
//! rule and subject have different ones: otherwise the end of the first, if it comes late, would end the second. The
//! severity can rise, so it is an annotation; a rule that is routed by severity has a label of its own for it. If a new
//! version of the rule changes a label, the alert appears a second time, and the first one ends because it is not sent
//! again.
//!
//! A retracted alert is resolved, with the reason in an annotation.

use drover_core::base::time::Timestamp;
use drover_core::outputs::notifications::Notification;
use serde_json::{Map, Value, json};

use super::request::Post;
use super::secrets::Secret;
use super::text::{retraction, summary, value};
use super::url::TargetUrl;

/// How long an alert fires that is not sent again: three times the time between two repetitions.
const FIRES_SECONDS: i64 = 15 * 60;

/// The request. `token`: a bearer token.
pub(super) fn post(notification: &Notification, url: TargetUrl, token: Option<&Secret>) -> Post {
    let headers = token.map(|token| ("authorization", format!("Bearer {}", &**token)));
    Post {
        url: url.below(&["api", "v2", "alerts"]),
        headers: headers.into_iter().collect(),
        body: body(notification).to_string(),
        secrets: token.map(|token| token.to_string()).into_iter().collect(),
    }
}

/// The list with the alert.
fn body(notification: &Notification) -> Value {
    let (starts_at, ends_at) = times(notification);
    json!([{
        "labels": labels(notification),
        "annotations": annotations(notification),
        "startsAt": starts_at,
        "endsAt": ends_at,
    }])
}

fn labels(notification: &Notification) -> Map<String, Value> {
    let of_rule = notification.alert.get("labels").and_then(Value::as_object);
    let of_rule = of_rule.into_iter().flatten().filter(|(name, _)| is_label_name(name));
    let of_rule = of_rule.map(|(name, text)| (name.as_str(), text.as_str().unwrap_or_default()));
    let own = [
        ("alertname", notification.text("/rule")),
        ("drover_alert", notification.text("/id")),
        ("id", notification.text("/subject/id")),
        ("kind", notification.text("/subject/kind")),
        ("tenant", notification.tenant.as_str()),
    ];
    written(of_rule.chain(own))
}

fn annotations(notification: &Notification) -> Map<String, Value> {
    let (summary, value, retraction) =
        (summary(notification), value(notification), retraction(notification));
    written([
        ("acknowledged_by", notification.text("/acknowledged/by")),
        ("news", notification.news.as_str()),
        ("retraction", retraction.as_deref().unwrap_or_default()),
        ("severity", notification.text("/severity")),
        ("state", notification.text("/state")),
        ("summary", &summary),
        ("test", if notification.is_test() { "true" } else { "" }),
        ("value", &value),
    ])
}

/// Later texts win. Alertmanager drops empty ones.
fn written<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Map<String, Value> {
    let texts = texts.into_iter().filter(|(_, text)| !text.is_empty());
    texts.map(|(name, text)| (name.to_owned(), text.into())).collect()
}

/// When the alert starts and ends. Neither the start nor the end of one that is over is in the future, whatever a
/// device's clock says.
fn times(notification: &Notification) -> (Timestamp, Timestamp) {
    let now = notification.at;
    let time =
        |pointer| Timestamp::parse_rfc3339(notification.text(pointer)).unwrap_or(now).min(now);
    let starts_at = time("/opened_at");
    let ends_at = match notification.news.is_end() {
        true => time("/closed_at").max(starts_at),
        false => now.plus_seconds(FIRES_SECONDS),
    };
    (starts_at, ends_at)
}

fn is_label_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    let mut bytes = name.bytes();
    bytes.next().is_some_and(is_letter)
        && bytes.all(|byte| is_letter(byte) || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests;
