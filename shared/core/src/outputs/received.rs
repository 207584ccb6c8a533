//! Alerts that other systems post: the webhook of Prometheus Alertmanager, version 4
//! (<https://prometheus.io/docs/alerting/latest/configuration/#webhook_config>), and objects of any other form.
//!
//! - An object with a list `alerts`: each of its objects is an alert. Members of the group, such as `receiver`, belong
//!   to each. A list of objects is read like such a list.
//! - Any other object is one alert, as it is.
//!
//! Unknown members are kept. An alert is identified by its fingerprint and its start, so that a repetition updates it.
//! A fingerprint that is missing is made from the labels, or from the whole alert.

use serde_json::{Map, Value, json};

use crate::base::error::{Code, Rejection};
use crate::base::time::Timestamp;
use crate::event::{canonical_json, digest};
use crate::outputs::alerts::{expiry, time_key};

/// Maximum number of alerts in a request.
pub const ALERTS: usize = 1_000;
/// Maximum length of a fingerprint, in bytes.
const FINGERPRINT_BYTES: usize = 64;
/// Maximum size of a stored alert as JSON, in bytes. Of a larger one only the labels are kept, if they are smaller.
const ALERT_BYTES: usize = 32 * 1024;
/// Members of a group that belong to each of its alerts, and their names there.
const OF_GROUP: [(&str, &str); 3] =
    [("receiver", "receiver"), ("groupKey", "group_key"), ("externalURL", "external_url")];

/// An alert that another system posted.
#[derive(Clone, Debug, PartialEq)]
pub struct ReceivedAlert {
    /// When it began there; of an alert that does not say so, when it was received.
    pub starts_at: Timestamp,
    /// Its identity there.
    pub fingerprint: String,
    /// When it was received for the last time.
    pub received_at: Timestamp,
    /// It as JSON, in canonical form, as people and programs see it.
    pub json: String,
}

/// Reads the alerts of a request.
///
/// # Errors
/// `malformed_json` for other than an object or a list of objects; `too_large` for more than [`ALERTS`].
pub fn read(body: &[u8], received_at: Timestamp) -> Result<Vec<ReceivedAlert>, Rejection> {
    let malformed = |fault: String| Rejection::new(Code::MalformedJson, fault);
    let value: Value =
        serde_json::from_slice(body).map_err(|fault| malformed(format!("not JSON: {fault}")))?;
    let (group, alerts) = match value {
        Value::Array(alerts) => (Map::new(), alerts),
        Value::Object(mut members) => match members.remove("alerts") {
            Some(Value::Array(alerts)) => (members, alerts),
            Some(other) => {
                members.insert("alerts".to_owned(), other);
                (Map::new(), vec![Value::Object(members)])
            }
            None => (Map::new(), vec![Value::Object(members)]),
        },
        _ => return Err(malformed("expected an object or a list of objects".to_owned())),
    };
    if alerts.len() > ALERTS {
        let message = format!("more than {ALERTS} alerts in a request");
        return Err(Rejection::at(Code::TooLarge, "/alerts", message));
    }
    let alerts = alerts.into_iter().enumerate().map(|(at, alert)| match alert {
        Value::Object(alert) => Ok(ReceivedAlert::of(&group, &alert, received_at)),
        _ => Err(Rejection::at(Code::MalformedJson, format!("/alerts/{at}"), "expected an object")),
    });
    alerts.collect()
}

impl ReceivedAlert {
    fn of(group: &Map<String, Value>, alert: &Map<String, Value>, received_at: Timestamp) -> Self {
        let fingerprint = fingerprint(alert);
        let starts_at = time(alert, "startsAt").unwrap_or(received_at);
        let ends_at = time(alert, "endsAt").filter(|ends_at| *ends_at > starts_at);
        let mut shown = json!({
            "fingerprint": fingerprint,
            "status": alert.get("status").or_else(|| group.get("status")),
            "starts_at": starts_at,
            "ends_at": ends_at,
            "received_at": received_at,
            "labels": alert.get("labels"),
            "annotations": alert.get("annotations"),
            "payload": alert,
        });
        if let Value::Object(shown) = &mut shown {
            for (member, name) in OF_GROUP {
                shown.insert(name.to_owned(), group.get(member).cloned().unwrap_or_default());
            }
        }
        let json = bounded(shown);
        Self { starts_at, fingerprint, received_at, json }
    }

    /// The sort key among the alerts of its tenant: they sort by the time at which they began.
    pub fn sort_key(&self) -> String {
        format!("{}#{}", time_key(self.starts_at), self.fingerprint)
    }

    /// When its item expires, in seconds since 1970.
    pub fn expires_at(&self) -> i64 {
        expiry(self.received_at).whole_seconds()
    }
}

/// The part of a tenant's received alerts that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedPage {
    /// Only sort keys below this text; `None`: from the newest on.
    pub below: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// A page of received alerts, the newest beginning first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReceivedList {
    /// The alerts as JSON.
    pub alerts: Vec<String>,
    /// The sort key below which the next page begins. `None`: no more follow.
    pub next: Option<String>,
}

/// The alert as JSON without what makes it too large.
fn bounded(mut shown: Value) -> String {
    for member in ["payload", "annotations", "labels"] {
        let json = canonical(&shown);
        if json.len() <= ALERT_BYTES {
            return json;
        }
        if let Value::Object(shown) = &mut shown {
            shown.insert(member.to_owned(), Value::Null);
            shown.insert("truncated".to_owned(), json!(true));
        }
    }
    // What is left are texts of the sender, of any length.
    let at = |member: &str| shown.get(member).cloned().unwrap_or_default();
    canonical(&json!({
        "fingerprint": at("fingerprint"), "starts_at": at("starts_at"), "ends_at": at("ends_at"),
        "received_at": at("received_at"), "truncated": true,
    }))
}

fn fingerprint(alert: &Map<String, Value>) -> String {
    let given = alert.get("fingerprint").and_then(Value::as_str);
    let is_usable = |text: &&str| {
        (1..=FINGERPRINT_BYTES).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if let Some(given) = given.filter(is_usable) {
        return given.to_owned();
    }
    let whole = Value::Object(alert.clone());
    let identity = alert.get("labels").filter(|labels| labels.is_object()).unwrap_or(&whole);
    digest(&[canonical(identity).as_bytes()])
}

fn canonical(value: &Value) -> String {
    // A number that has no canonical form stands as it was sent.
    canonical_json(value).map_or_else(|_| value.to_string(), |json| json.to_string())
}

/// Alertmanager writes the year 1 for a time that it does not know.
fn time(alert: &Map<String, Value>, member: &str) -> Option<Timestamp> {
    let at = Timestamp::parse_rfc3339(alert.get(member)?.as_str()?)?;
    (at > Timestamp::from_micros(0)?).then_some(at)
}

#[cfg(test)]
mod tests;
