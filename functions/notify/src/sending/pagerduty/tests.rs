//! Tests of the form of this kind of target.

use proptest::prelude::*;

use super::*;
use crate::sending::tests::{notification, with};

#[test]
fn an_event_has_the_key_of_its_alert() {
    let notification = notification(News::Opened);
    let mut details = notification.alert.clone();
    details["tenant"] = "demo".into();
    details["news"] = "opened".into();
    let expected = json!({
        "routing_key": "k3y", "event_action": "trigger",
        "dedup_key": "800649d2c2f4a0000123456789abcdef", "client": "Drover",
        "payload": {
            "summary": "d-1 is at 31.5 °C", "source": "device/d-1", "severity": "warning",
            "timestamp": "2026-11-21T06:00:00.000Z", "class": "hot", "group": "demo",
            "custom_details": details,
        },
    });
    assert_eq!(body(&notification, "k3y"), expected);
}

#[test]
fn each_of_the_news_is_an_action() {
    let check = |news: News, action: &str, severity: &str| {
        let body = body(&notification(news), "k3y");
        assert_eq!(body["event_action"], action);
        assert_eq!(body["dedup_key"], "800649d2c2f4a0000123456789abcdef");
        let payload = &body["payload"];
        assert_eq!(
            (&payload["severity"], &payload["custom_details"]["news"]),
            (&json!(severity), &json!(news.as_str()))
        );
    };
    check(News::Opened, "trigger", "warning");
    check(News::Moved, "trigger", "warning");
    check(News::Raised, "trigger", "critical");
    check(News::Acknowledged, "acknowledge", "warning");
    check(News::Resolved, "resolve", "warning");
    check(News::Retracted, "resolve", "warning");
    let reason =
        &body(&notification(News::Retracted), "k3y")["payload"]["custom_details"]["reason"];
    assert!(
        reason.as_str().is_some_and(|reason| reason.contains("the late event e-7")),
        "{reason}"
    );
}

#[test]
fn severities_are_words_of_pagerduty() {
    for (word, expected) in [
        ("critical", "critical"),
        ("error", "error"),
        ("warning", "warning"),
        ("info", "info"),
        ("", "warning"),
    ] {
        assert_eq!(severity(word), expected);
    }
}

proptest! {
    #[test]
    fn an_event_keeps_to_the_limits(text in "\\PC{0,30}", times in 0_usize..300) {
        let long = text.repeat(times);
        let changes = json!({ "summary": long, "rule": "r", "labels": { "a": long } });
        let body = body(&with(News::Opened, changes), "k3y");
        let summary = body["payload"]["summary"].as_str().expect("a text");
        prop_assert!((1..=1_024).contains(&summary.encode_utf16().count()));
        prop_assert!(body.to_string().len() < 64 * 1024);
    }
}
