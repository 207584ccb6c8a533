//! What is read from the bodies of other systems.

use super::*;

fn now() -> Timestamp {
    Timestamp::parse_rfc3339("2026-11-21T06:00:00Z").expect("a time")
}

fn read_json(body: &Value) -> Vec<(ReceivedAlert, Value)> {
    let alerts = read(body.to_string().as_bytes(), now()).expect("it is read");
    let shown = |alert: ReceivedAlert| {
        let json = serde_json::from_str(&alert.json).expect("JSON");
        (alert, json)
    };
    alerts.into_iter().map(shown).collect()
}

fn of_alertmanager(alert: &Value) -> Value {
    json!({
        "version": "4", "groupKey": "{}:{alertname=\"Down\"}", "truncatedAlerts": 0, "status": "firing",
        "receiver": "drover", "groupLabels": {"alertname": "Down"}, "commonLabels": {},
        "commonAnnotations": {}, "externalURL": "http://am:9093", "notification_reason": "new",
        "alerts": [alert],
    })
}

#[test]
fn an_alert_of_alertmanager_is_identified_by_fingerprint_and_start() {
    let alert = json!({
        "status": "firing", "labels": {"alertname": "Down", "job": "api"},
        "annotations": {"summary": "it is down"}, "startsAt": "2026-11-21T05:30:00.5Z",
        "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://p/graph", "fingerprint": "0a1b2c3d4e5f6071",
    });
    let found = read_json(&of_alertmanager(&alert));
    let [(received, shown)] = &found[..] else { panic!("one alert: {found:?}") };
    assert_eq!(received.fingerprint, "0a1b2c3d4e5f6071");
    assert_eq!(received.received_at, now());
    assert_eq!(shown["starts_at"], "2026-11-21T05:30:00.500Z");
    assert_eq!((&shown["status"], &shown["ends_at"]), (&json!("firing"), &Value::Null));
    assert_eq!(shown["labels"], alert["labels"]);
    assert_eq!(shown["receiver"], "drover");
    assert_eq!(shown["payload"], alert, "unknown members are kept");

    let mut resolved = alert.clone();
    resolved["status"] = json!("resolved");
    resolved["endsAt"] = json!("2026-11-21T05:45:00Z");
    let later = &read_json(&of_alertmanager(&resolved))[0];
    assert_eq!(later.0.sort_key(), received.sort_key(), "a repetition updates it");
    assert_eq!(later.1["ends_at"], "2026-11-21T05:45:00.000Z");
    let mut again = alert;
    again["startsAt"] = json!("2026-11-21T05:50:00Z");
    assert!(read_json(&of_alertmanager(&again))[0].0.sort_key() > received.sort_key());
}

#[test]
fn without_a_fingerprint_the_labels_are_the_identity_or_the_whole() {
    let of = |alert: Value| read_json(&json!([alert])).remove(0).0.fingerprint;
    let labels = of(json!({"labels": {"a": "1", "b": "2"}, "status": "firing"}));
    assert_eq!(of(json!({"status": "resolved", "labels": {"b": "2", "a": "1"}})), labels);
    assert_ne!(of(json!({"labels": {"a": "1"}})), labels);
    let custom = of(json!({"title": "disk", "state": "alerting"}));
    assert_eq!(of(json!({"state": "alerting", "title": "disk"})), custom);
    for odd in [json!(""), json!("a b"), json!("x".repeat(65)), json!(7), json!(null)] {
        assert_eq!(
            of(json!({"fingerprint": odd, "labels": {"a": "1", "b": "2"}})),
            labels,
            "{odd}"
        );
    }
}

#[test]
fn any_object_is_an_alert_and_anything_else_is_refused() {
    let custom = json!({"title": "disk", "alerts": 3});
    let (alert, shown) = read_json(&custom).remove(0);
    assert_eq!((alert.starts_at, &shown["payload"]), (now(), &custom));
    assert_eq!(read_json(&json!({"alerts": []})).len(), 0);
    for (body, path) in [
        ("{", None),
        ("7", None),
        ("null", None),
        ("[7]", Some("/alerts/0")),
        (r#"{"alerts":[{},"x"]}"#, Some("/alerts/1")),
    ] {
        let fault = read(body.as_bytes(), now()).expect_err(body);
        assert_eq!((fault.code, fault.path.as_deref()), (Code::MalformedJson, path), "{body}");
    }
    let many = vec![json!({}); ALERTS + 1];
    let fault = read(json!(many).to_string().as_bytes(), now()).expect_err("too many");
    assert_eq!(fault.code, Code::TooLarge);
}

#[test]
fn what_makes_an_alert_too_large_is_left_out_and_it_says_so() {
    let long = "x".repeat(ALERT_BYTES);
    for (alert, labels) in [
        (json!({"labels": {"a": "1"}, "annotations": {"text": long}}), json!({"a": "1"})),
        (json!({"labels": {"a": long}}), Value::Null),
        (json!({"labels": {"a": "1"}, "status": long}), Value::Null),
    ] {
        let (alert, shown) = read_json(&json!([alert])).remove(0);
        assert!(alert.json.len() <= ALERT_BYTES);
        assert_eq!((&shown["truncated"], &shown["labels"]), (&json!(true), &labels));
        assert_eq!(shown["fingerprint"], json!(alert.fingerprint));
    }
}
