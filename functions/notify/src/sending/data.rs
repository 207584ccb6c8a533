//! The JSON of an alert for programs, within a number of bytes.
//!
//! Texts of an alert come from devices and people, and can be long. No notification fails for that: the longest parts
//! are cut first, and an alert that is cut has `"cut": true`.

use drover_core::outputs::notifications::Notification;
use serde_json::{Map, Value, json};

use super::text::cut;

/// The maximum size of a message for programs, in bytes. Standard Webhooks ask for less than 20 KB:
/// <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.
pub(super) const MAX_BYTES: usize = 20_000;
/// What a message may have around the alert, in bytes.
const AROUND_BYTES: usize = 300;

const SUMMARY_CHARS: usize = 300;
const LABEL_CHARS: usize = 100;
const TEXT_CHARS: usize = 200;
/// What is left of an alert that is still too large.
const ESSENTIAL: [&str; 9] =
    ["id", "rule", "subject", "severity", "state", "opened_at", "closed_at", "cause", "test"];

/// The name of what happened, such as `alert.opened`.
pub(super) fn kind(notification: &Notification) -> String {
    format!("alert.{}", notification.news.as_str())
}

/// The alert with its tenant, so small that a message with it is smaller than [`MAX_BYTES`].
pub(super) fn data(notification: &Notification) -> Map<String, Value> {
    let alert = notification.alert.as_object().cloned().unwrap_or_default();
    let steps: [fn(&mut Map<String, Value>); 5] =
        [shorten_labels, shorten_summary, drop_labels, shorten_all, keep_essential];
    let mut data = alert;
    let tenant = notification.tenant.as_str();
    data.insert("tenant".to_owned(), tenant.into());
    for step in steps {
        if is_small(&data) {
            break;
        }
        step(&mut data);
        data.insert("tenant".to_owned(), tenant.into());
        data.insert("cut".to_owned(), true.into());
    }
    data
}

fn is_small(data: &Map<String, Value>) -> bool {
    let written = serde_json::to_string(data).map_or(usize::MAX, |text| text.len());
    written <= MAX_BYTES.saturating_sub(AROUND_BYTES)
}

fn shorten_labels(data: &mut Map<String, Value>) {
    if let Some(labels) = data.get_mut("labels") {
        shorten(labels, LABEL_CHARS);
    }
}

fn shorten_summary(data: &mut Map<String, Value>) {
    if let Some(summary) = data.get_mut("summary") {
        shorten(summary, SUMMARY_CHARS);
    }
}

fn drop_labels(data: &mut Map<String, Value>) {
    data.insert("labels".to_owned(), json!({}));
}

fn shorten_all(data: &mut Map<String, Value>) {
    data.values_mut().for_each(|value| shorten(value, TEXT_CHARS));
}

fn keep_essential(data: &mut Map<String, Value>) {
    data.retain(|name, value| ESSENTIAL.contains(&name.as_str()) && is_short(value));
}

/// Whether a value is as small as those of an alert are, after texts were shortened.
fn is_short(value: &Value) -> bool {
    value.to_string().len() <= 6 * TEXT_CHARS
}

/// Cuts every text in a value.
fn shorten(value: &mut Value, limit: usize) {
    match value {
        Value::String(text) => *text = cut(text, limit),
        Value::Array(values) => values.iter_mut().for_each(|value| shorten(value, limit)),
        Value::Object(members) => members.values_mut().for_each(|value| shorten(value, limit)),
        Value::Null | Value::Bool(_) | Value::Number(_) => (),
    }
}

#[cfg(test)]
mod tests {
    use drover_core::outputs::alerts::News;
    use proptest::prelude::*;

    use super::*;
    use crate::sending::tests::with;
    use crate::sending::webhook;

    #[test]
    fn the_longest_parts_are_cut_first_and_the_rest_stays() {
        let long = "x".repeat(2_000);
        let many: Map<String, Value> =
            (0..20).map(|number| (format!("label{number}"), long.clone().into())).collect();
        let cut = data(&with(News::Opened, json!({ "labels": many })));
        let expected = format!("{}…", "x".repeat(LABEL_CHARS - 1));
        assert_eq!((&cut["labels"]["label7"], &cut["cut"]), (&json!(expected), &json!(true)));
        assert_eq!(
            (&cut["summary"], &cut["tenant"]),
            (&json!("d-1 is at 31.5 °C"), &json!("demo"))
        );

        let huge = "x".repeat(40_000);
        let cut = data(&with(News::Opened, json!({ "summary": huge })));
        let expected = format!("{}…", "x".repeat(SUMMARY_CHARS - 1));
        assert_eq!(
            (&cut["summary"], &cut["labels"]),
            (&json!(expected), &json!({ "team": "cold-chain" }))
        );

        let note = json!({ "by": "ada", "at": "2026-11-21T06:05:00.000Z", "note": huge });
        let cut = data(&with(News::Opened, json!({ "acknowledged": note })));
        assert_eq!((&cut["acknowledged"]["by"], &cut["labels"]), (&json!("ada"), &json!({})));

        let deep: Vec<u32> = (0..20_000).collect();
        let cut = data(&with(News::Opened, json!({ "value": deep, "subject": { "kind": deep } })));
        let names: Vec<&str> = cut.keys().map(String::as_str).collect();
        assert!(
            names.contains(&"id") && names.contains(&"cut") && !names.contains(&"subject"),
            "{names:?}"
        );
    }

    #[test]
    fn an_alert_that_fits_is_whole() {
        let short = data(&with(News::Opened, json!({ "summary": "x".repeat(15_000) })));
        assert_eq!(
            (short["summary"].as_str().map(str::len), short.get("cut")),
            (Some(15_000), None)
        );
    }

    proptest! {
        #[test]
        fn every_webhook_is_json_below_its_limit(
            text in "(.|\\PC|[\"\\\\\u{0}\u{7f}]|😀){1,40}", summary in 0_usize..2_000,
            labels in prop::collection::vec(("\\PC{0,64}", 0_usize..200), 0..40), note in 0_usize..400,
        ) {
            let long = |times: usize| Value::from(text.repeat(times));
            let labels: Map<String, Value> =
                labels.into_iter().map(|(name, times)| (name, long(times))).collect();
            let notification = with(News::Acknowledged, json!({
                "summary": long(summary), "labels": labels, "value": long(note),
                "subject": { "kind": "device", "id": long(note) }, "acknowledged": { "note": long(note) },
                "closed": { "note": long(note) },
            }));
            let body = webhook::body(&notification);
            prop_assert!(body.len() < MAX_BYTES, "{}", body.len());
            let body: Value = serde_json::from_str(&body).expect("JSON");
            prop_assert_eq!(&body["data"]["id"], &notification.alert["id"]);
            prop_assert_eq!(&body["data"]["tenant"], "demo");
        }
    }
}
