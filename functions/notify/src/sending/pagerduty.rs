//! PagerDuty, Events API v2: <https://developer.pagerduty.com/docs/events-api-v2-overview>.
//!
//! The id of an alert is the key of its incident. PagerDuty ignores the details of an event that resolves; they are
//! sent all the same, for proxies.

use drover_core::base::time::Timestamp;
use drover_core::outputs::alerts::News;
use drover_core::outputs::notifications::Notification;
use serde_json::{Value, json};

use super::data::data;
use super::request::Post;
use super::secrets::Secret;
use super::text::{cut, retraction, subject, summary};
use super::url::TargetUrl;

/// Where events are sent, unless a target says otherwise.
pub(super) const URL: &str = "https://events.pagerduty.com/v2/enqueue";

const SUMMARY_CHARS: usize = 1_024;

/// The request. `key`: the routing key.
pub(super) fn post(notification: &Notification, url: TargetUrl, key: &Secret) -> Post {
    let body = body(notification, key).to_string();
    Post { url, headers: Vec::new(), body, secrets: vec![key.to_string()] }
}

fn body(notification: &Notification, key: &str) -> Value {
    let mut details = data(notification);
    details.insert("news".to_owned(), notification.news.as_str().into());
    if let Some(retraction) = retraction(notification) {
        details.insert("reason".to_owned(), retraction.into());
    }
    let opened_at = Timestamp::parse_rfc3339(notification.text("/opened_at"));
    let opened_at = opened_at.unwrap_or(notification.at);
    json!({
        "routing_key": key,
        "event_action": action(notification.news),
        "dedup_key": notification.text("/id"),
        "client": "Drover",
        "payload": {
            "summary": cut(&summary(notification), SUMMARY_CHARS),
            "source": source(notification),
            "severity": severity(notification.text("/severity")),
            "timestamp": opened_at,
            "class": notification.text("/rule"),
            "group": notification.tenant.as_str(),
            "custom_details": details,
        },
    })
}

const fn action(news: News) -> &'static str {
    match news {
        News::Opened | News::Moved | News::Raised => "trigger",
        News::Acknowledged => "acknowledge",
        News::Resolved | News::Retracted | News::Digest => "resolve",
    }
}

/// What the incident is about. PagerDuty refuses an empty text.
fn source(notification: &Notification) -> String {
    let subject = subject(notification);
    if subject.is_empty() { notification.tenant.as_str().to_owned() } else { subject }
}

/// The words of PagerDuty are ours.
fn severity(word: &str) -> &str {
    match word {
        "critical" | "error" | "warning" | "info" => word,
        _ => "warning",
    }
}

#[cfg(test)]
mod tests;
