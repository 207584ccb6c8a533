//! Tests of the form of this kind of target.

use drover_core::outputs::alerts::News;
use proptest::prelude::*;

use super::*;
use crate::sending::tests::{at, notification, with};

const OPENED_AT: &str = "2026-11-21T06:00:00.000Z";
const IN_15_MINUTES: &str = "2026-11-21T06:25:00.000Z";

fn expected(changes: Value, ends_at: &str) -> Value {
    let mut annotations = json!({
        "news": "opened", "severity": "warning", "state": "firing", "summary": "d-1 is at 31.5 °C",
        "value": "31.5",
    });
    for (name, value) in changes.as_object().expect("an object") {
        annotations[name] = value.clone();
    }
    json!([{
        "labels": {
            "alertname": "hot", "drover_alert": "800649d2c2f4a0000123456789abcdef", "id": "d-1",
            "kind": "device", "team": "cold-chain", "tenant": "demo",
        },
        "annotations": annotations, "startsAt": OPENED_AT, "endsAt": ends_at,
    }])
}

#[test]
fn the_labels_of_an_alert_are_the_same_for_all_its_news() {
    let check = |news: News, changes: Value, ends_at: &str| {
        assert_eq!(body(&notification(news)), expected(changes, ends_at));
    };
    check(News::Opened, json!({}), IN_15_MINUTES);
    check(News::Moved, json!({ "news": "moved" }), IN_15_MINUTES);
    check(News::Raised, json!({ "news": "raised", "severity": "critical" }), IN_15_MINUTES);
    let acknowledged = json!({ "news": "acknowledged", "acknowledged_by": "ada" });
    check(News::Acknowledged, acknowledged, IN_15_MINUTES);
    let resolved = json!({ "news": "resolved", "state": "resolved" });
    check(News::Resolved, resolved, "2026-11-21T06:08:00.000Z");
    let why = "Alert 800649d2c2f4a0000123456789abcdef, opened at 2026-11-21T06:00:00.000Z, did not happen, because of \
               the late event e-7, observed at 2026-11-21T05:59:00.000Z and received 540 seconds later.";
    let retracted = json!({ "news": "retracted", "state": "retracted", "retraction": why });
    check(News::Retracted, retracted, "2026-11-21T06:10:00.000Z");
}

#[test]
fn labels_of_rules_have_valid_names_and_replace_none_of_ours() {
    let labels = json!({
        "tenant": "other", "alertname": "x", "drover_alert": "x", "a b": "x", "1a": "x", "": "x", "é": "x",
        "_a1": "kept", "severity": "page", "empty": "", "number": 1,
    });
    let body = body(&with(News::Opened, json!({ "labels": labels })));
    let expected = json!({
        "_a1": "kept", "alertname": "hot", "drover_alert": "800649d2c2f4a0000123456789abcdef", "id": "d-1",
        "kind": "device", "severity": "page", "tenant": "demo",
    });
    assert_eq!(body[0]["labels"], expected);
}

#[test]
fn the_late_end_of_an_alert_is_not_that_of_the_next_one_of_its_rule_and_subject() {
    let first = notification(News::Resolved);
    let second = with(News::Opened, json!({ "id": "800649d2c2f4a0010123456789abcdef" }));
    assert_ne!(labels(&first), labels(&second));
}

#[test]
fn no_time_of_an_alert_that_is_over_is_in_the_future() {
    let check = |news: News, opened_at: &str, closed_at: Option<&str>, expected: (&str, &str)| {
        let changes = json!({ "opened_at": opened_at, "closed_at": closed_at });
        assert_eq!(times(&with(news, changes)), (at(expected.0), at(expected.1)));
    };
    let (before, now, after) =
        ("2026-11-21T06:00:00.000Z", "2026-11-21T06:10:00.000Z", "2026-11-21T07:00:00.000Z");
    check(News::Opened, after, None, (now, IN_15_MINUTES));
    check(News::Opened, before, Some(before), (before, IN_15_MINUTES));
    check(News::Resolved, before, Some(after), (before, now));
    check(News::Resolved, after, Some(after), (now, now));
    check(News::Resolved, now, Some(before), (now, now));
    check(News::Retracted, before, None, (before, now));
    check(News::Retracted, "", None, (now, now));
}

proptest! {
    #[test]
    fn an_alert_never_ends_before_it_starts(
        opened in 0_i64..2_000, closed in prop::option::of(0_i64..2_000), news in 0_usize..News::ALL.len(),
    ) {
        let moment = |seconds| at("2026-11-21T06:00:00Z").plus_seconds(seconds);
        let changes = json!({ "opened_at": moment(opened), "closed_at": closed.map(moment) });
        let notification = with(News::ALL[news], changes);
        let (starts_at, ends_at) = times(&notification);
        prop_assert!(starts_at <= ends_at && starts_at <= notification.at);
        prop_assert_eq!(ends_at <= notification.at, notification.news.is_end());
    }
}
