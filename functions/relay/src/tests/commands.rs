//! Commands of an operator and of the schedule.

use drover_core::memory::{Call, Fault};
use drover_core::outputs::timers::TimerKind;
use serde_json::{Value, json};

use super::fixture::{Fixture, change, second, times};
use crate::Failed;

#[test]
fn resend_writes_the_heads_and_the_stream_sends_the_history_again() {
    let mut fixture = Fixture::new();
    for device in 0..3 {
        fixture.commit("demo", &format!("d-{device}"), &[10, 20]);
    }
    let heads = |fixture: &Fixture| fixture.memory.state().heads.clone();
    let before = heads(&fixture);
    let all = json!({ "action": "resend", "tenant": "demo" });
    assert_eq!(fixture.command(&all), json!({ "subjects": 3, "next_cursor": null }));
    let one = json!({ "action": "resend", "tenant": "demo", "subject": "device/d-1" });
    let touched = heads(&fixture);
    assert_eq!(fixture.command(&one), json!({ "subjects": 1, "next_cursor": null }));
    assert!(fixture.topics.calls.lock().unwrap().is_empty(), "only the stream sends");

    let records = before.iter().map(|(key, old)| change(key, "0", Some(old), &touched[key]));
    let records: Vec<Value> = records.collect();
    assert_eq!(fixture.deliver(&records), Vec::<String>::new());
    assert_eq!(times(&fixture.sent("drover.ordered")), [10, 20, 10, 20, 10, 20]);
    assert_eq!(fixture.sent("drover.views").len(), 3);
}

#[test]
fn after_a_restore_consumers_drop_what_they_hold_and_take_older_versions_for_newer() {
    let mut fixture = Fixture::new();
    fixture.commit("demo", "d-1", &[10]);
    let place = "T#demo#S#device#d-1";
    let restored = fixture.memory.state().heads[place].clone();
    fixture.commit("demo", "d-1", &[20]);
    fixture.commit("demo", "d-1", &[30]);
    fixture.deliver(&fixture.stream);
    let lost = fixture.sent("drover.views");
    fixture.sent("drover.settled");
    fixture.memory.state().heads.insert(place.to_owned(), restored.clone());

    let command = json!({ "action": "resend", "tenant": "demo", "restored": true });
    assert_eq!(fixture.command(&command), json!({ "subjects": 1, "next_cursor": null }));
    let new = fixture.memory.state().heads[place].clone();
    let settled = fixture.deliver_for(&[change(place, "9", Some(&restored), &new)]);
    assert_eq!(times(&fixture.sent("drover.settled")), [10]);
    assert_eq!(settled["cause"], "restored");
    assert_eq!((lost, fixture.sent("drover.views")), (vec!["v0.3".into()], vec!["v1.2".into()]));
}

#[test]
fn a_command_that_makes_no_sense_is_answered_with_the_reason() {
    let fixture = Fixture::new();
    for (command, code) in [
        (json!({ "action": "send" }), "invalid_parameter"),
        (json!({ "action": "resend", "tenant": "demo", "subjects": "x" }), "invalid_parameter"),
        (json!({ "action": "resend", "tenant": "#" }), "invalid_id"),
        (json!({ "action": "resend", "tenant": "nobody" }), "unknown_tenant"),
        (json!({ "action": "resend", "tenant": "quiet" }), "no_feeds"),
        (json!({ "action": "resend", "tenant": "away" }), "tenant_suspended"),
        (json!({ "action": "resend", "tenant": "demo", "subject": "device/x" }), "not_found"),
        (json!({ "action": "watch", "tenant": "nobody" }), "unknown_tenant"),
        (
            json!({ "action": "watch", "tenant": "demo", "subject": "device/x" }),
            "invalid_parameter",
        ),
    ] {
        assert_eq!(fixture.command(&command)["error"]["code"], code, "{command}");
    }
}

#[test]
fn a_sweep_says_until_when_it_has_looked_also_if_it_fails() {
    let fixture = Fixture::new();
    let sweep = json!({ "action": "sweep" });
    fixture.command(&sweep);
    let first = fixture.take_counts().swept_until.expect("a time");
    let behind = fixture.memory.state().now.seconds_since(first);
    assert!((60.0..120.0).contains(&behind), "it has caught up: {behind}");

    fixture.memory.state().now = second(1_000 + 3_600);
    fixture.memory.fail(|call| match call {
        Call::TimerRead => Fault::Refused,
        _ => Fault::None,
    });
    assert!(matches!(fixture.try_command(&sweep), Err(Failed::SweepFailed(_))));
    assert_eq!(fixture.take_counts().swept_until, Some(first), "no minute is finished");
    fixture.memory.fail_nothing();
    fixture.command(&sweep);
    assert_eq!(fixture.take_counts().swept_until, Some(first.plus_seconds(3_600)));
}

#[test]
fn the_sweep_releases_a_silent_subject_and_says_what_it_did() {
    let mut fixture = Fixture::new();
    fixture.memory.put_document(
        "T#demo",
        r#"{"id":"demo","feeds":["settled"],"lateness_seconds":100,"idle_seconds":60}"#,
    );
    fixture.commit("demo", "d-1", &[900, 1_000]);
    fixture.deliver(&fixture.stream);
    assert_eq!(times(&fixture.sent("drover.settled")), [900]);
    assert_eq!(fixture.armed(TimerKind::Release), ["device/d-1"]);
    let place = "T#demo#S#device#d-1";
    let old = fixture.memory.state().heads[place].clone();
    let sweep = json!({ "action": "sweep" });
    assert_eq!(fixture.command(&sweep)["timers"], json!({}), "nothing is due yet");

    fixture.memory.state().now = second(1_000 + 600);
    assert_eq!(fixture.command(&sweep)["timers"], json!({ "released": 1 }));
    let new = fixture.memory.state().heads[place].clone();
    fixture.deliver(&[change(place, "9", Some(&old), &new)]);
    assert_eq!(times(&fixture.sent("drover.settled")), [1_000]);
}
