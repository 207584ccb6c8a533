//! Tests of invocations over ports in memory: what is sent, what comes again, and who waits for whom.
//!
//! - `fixture`: a relay, and the change stream of what is committed
//! - `commands`: commands of an operator and of the schedule
//! - `forgetting`: alerts of a subject that is forgotten
//! - `looks`: who is told to look at an alert
//! - `schedules`: the property test

mod acts;
mod commands;
mod fixture;
mod forgetting;
mod looks;
mod schedules;

use drover_core::base::error::Reason;
use drover_core::base::metrics::AlertMetric;
use drover_core::base::severity::Severity;
use drover_core::dead_letter::unsent::Unsent;
use drover_core::memory::{Call, Fault};
use drover_core::outputs::timers::TimerKind;
use drover_core::ports::NotPublished;
use futures_util::FutureExt as _;
use serde_json::{Value, json};

use self::fixture::{Fixture, base64, down, second, times};
use super::*;

#[test]
fn every_event_is_sent_to_each_feed_and_what_comes_twice_is_the_same() {
    let mut fixture = Fixture::new();
    fixture.commit("demo", "d-1", &[10, 20]);
    fixture.commit("demo", "d-1", &[30, 15]);
    assert_eq!(fixture.deliver(&fixture.stream), Vec::<String>::new());
    let ordered = fixture.sent("drover.ordered");
    assert_eq!(times(&ordered), [10, 20, 15, 30]);
    let settled = fixture.sent("drover.settled");
    assert_eq!(times(&settled), [10, 20, 15, 30]);
    assert_eq!(settled.iter().filter(|id| id.starts_with('c')).count(), 1, "15 came late");
    assert_eq!(fixture.sent("drover.views"), ["v0.2"], "once for both commits");
    assert!((fixture.counted(Metric::FeedRecordsSent) - 10.0).abs() < f64::EPSILON);

    fixture.deliver(&fixture.stream);
    assert_eq!(fixture.sent("drover.ordered"), ordered);
    assert_eq!(fixture.sent("drover.settled"), settled);
}

#[test]
fn a_target_that_is_down_gets_everything_later() {
    let mut fixture = Fixture::new();
    fixture.commit("demo", "d-1", &[10]);
    fixture.commit("demo", "d-2", &[10]);
    fixture.commit("demo", "d-1", &[20]);
    fixture.answer(|topic, record| {
        let is_second = record.attribute("time").is_some_and(|time| time.contains(":20"));
        if topic == "drover.settled" && is_second { Err(down()) } else { Ok(()) }
    });
    assert_eq!(fixture.deliver(&fixture.stream), ["2"]);
    assert!((fixture.counted(Metric::RecordsReturned) - 1.0).abs() < f64::EPSILON);
    fixture.answer(|_, _| Ok(()));
    fixture.topics.records.lock().unwrap().clear();
    assert_eq!(fixture.deliver(&fixture.stream[2..]), Vec::<String>::new());
    assert_eq!(times(&fixture.sent("drover.settled")), [20]);
    assert_eq!(fixture.sent("drover.views"), ["v0.2"]);

    fixture.answer(|topic, _| if topic == "drover.views" { Err(down()) } else { Ok(()) });
    assert_eq!(fixture.deliver(&fixture.stream), ["1", "2"], "the last change of each subject");
}

#[test]
fn a_closed_topic_of_one_tenant_delays_no_other() {
    let mut fixture = Fixture::new();
    fixture.commit("acme", "d-1", &[10]);
    fixture.commit("demo", "d-1", &[10]);
    fixture.commit("acme", "d-1", &[20]);
    fixture.answer(|topic, _| match topic {
        "acme.ordered" => {
            let missing = Unavailable::new(Reason::Misconfigured, "no such topic");
            Err(NotPublished::Closed(missing))
        }
        _ => Ok(()),
    });
    assert_eq!(fixture.deliver(&fixture.stream), Vec::<String>::new());
    assert_eq!(times(&fixture.sent("drover.ordered")), [10]);
    assert!((fixture.counted(Metric::FeedRecordsSkipped) - 2.0).abs() < f64::EPSILON);
    let tried = fixture.topics.calls.lock().unwrap().clone();
    assert_eq!(tried.iter().filter(|topic| *topic == "acme.ordered").count(), 1);
    assert_eq!(fixture.armed(TimerKind::Resend), ["device/d-1"], "it is sent again later");
    assert_eq!(fixture.armed(TimerKind::Release), Vec::<String>::new(), "nothing is unsettled");

    fixture.answer(|_, _| Ok(()));
    fixture.memory.state().now = second(1_060);
    fixture.commit("acme", "d-1", &[30]);
    fixture.deliver(&fixture.stream[3..]);
    assert_eq!(times(&fixture.sent("acme.ordered")), [30], "it is tried again after a while");
}

#[test]
fn a_record_that_its_topic_refuses_becomes_a_letter_and_blocks_nothing() {
    let mut fixture = Fixture::new();
    fixture.commit("demo", "d-1", &[10, 20, 30]);
    fixture.answer(|topic, record| {
        let is_second = record.attribute("time").is_some_and(|time| time.contains(":20"));
        if topic == "drover.ordered" && is_second {
            let large = Unavailable::new(Reason::Misconfigured, "too large");
            return Err(NotPublished::Refused(large));
        }
        Ok(())
    });
    assert_eq!(fixture.deliver(&fixture.stream), Vec::<String>::new());
    assert_eq!(times(&fixture.sent("drover.ordered")), [10, 30]);
    let letters = fixture.memory.state().letters.clone();
    let [letter] = &letters[..] else { panic!("{letters:?}") };
    let (tenant, subject, unsent) = Unsent::read(&letter.body).expect("a letter");
    assert_eq!((tenant.as_str(), subject.to_string().as_str()), ("demo", "device/d-1"));
    assert_eq!((&*unsent.undelivered_commit, &*unsent.message), ("0.1", "too large"));
    // It would be refused again and again.
    assert_eq!(fixture.armed(TimerKind::Resend), Vec::<String>::new());
}

#[test]
fn a_head_that_cannot_be_read_becomes_a_letter_and_a_newer_one_waits() {
    let mut fixture = Fixture::new();
    fixture.commit("demo", "d-1", &[10]);
    fixture.commit("demo", "d-1", &[20]);
    let with_head = |mut record: Value, bytes: &[u8]| {
        let image = &mut record["dynamodb"]["NewImage"]["d"]["B"];
        *image = json!(base64(bytes));
        record
    };
    let corrupt = with_head(fixture.stream[0].clone(), &[0, 0]);
    assert_eq!(fixture.deliver(&[corrupt, fixture.stream[1].clone()]), Vec::<String>::new());
    assert_eq!(times(&fixture.sent("drover.ordered")), [20], "the next commit is sent");
    assert_eq!(fixture.memory.state().letters.len(), 1);

    let newer = with_head(fixture.stream[0].clone(), &[255, 0]);
    assert_eq!(fixture.deliver(&[newer, fixture.stream[1].clone()]), ["0", "1"]);
    assert_eq!(fixture.memory.state().letters.len(), 1);
    assert_eq!(fixture.sent("drover.ordered"), Vec::<String>::new());
}

#[test]
fn without_the_head_before_it_a_commit_sends_the_whole_history() {
    let mut fixture = Fixture::new();
    fixture.commit("demo", "d-1", &[10]);
    fixture.commit("demo", "d-1", &[20]);
    let mut record = fixture.stream[1].clone();
    record["dynamodb"]["OldImage"]["d"]["B"] = json!("AAAA");
    assert_eq!(fixture.deliver(&[record]), Vec::<String>::new());
    assert_eq!(times(&fixture.sent("drover.ordered")), [10, 20]);
}

#[test]
fn tenants_without_feeds_cost_nothing_and_unknown_ones_are_passed_over() {
    let mut fixture = Fixture::new();
    fixture.commit("quiet", "d-1", &[10]);
    fixture.commit("demo", "d-1", &[10]);
    fixture.memory.state().documents.remove("T#demo");
    assert_eq!(fixture.deliver(&fixture.stream), Vec::<String>::new());
    assert!(fixture.topics.calls.lock().unwrap().is_empty());
    assert!(fixture.counted(Metric::ReadUnits).abs() < f64::EPSILON);
}

#[test]
fn after_its_deadline_a_relay_sends_nothing_more() {
    let mut fixture = Fixture::new();
    fixture.commit("demo", "d-1", &[10]);
    let changes =
        stream::changes(&json!({ "Records": fixture.stream }).to_string(), "ledger").unwrap();
    let sent = fixture.relay.send(&changes, second(0)).now_or_never().expect("memory never waits");
    assert_eq!(sent.0.len(), 1);
    assert!(fixture.topics.calls.lock().unwrap().is_empty());
}

#[test]
fn a_subject_whose_records_arrived_out_of_order_is_sent_again_later() {
    let mut fixture = Fixture::new();
    fixture.commit("demo", "d-1", &[10, 20, 30]);
    fixture.answer(|topic, record| {
        let is_second = record.attribute("time").is_some_and(|time| time.contains(":20"));
        if topic == "drover.settled" && is_second { Err(down()) } else { Ok(()) }
    });
    assert_eq!(fixture.deliver(&fixture.stream), ["0"]);
    assert_eq!(times(&fixture.sent("drover.settled")), [10, 30]);
    assert_eq!(fixture.armed(TimerKind::Resend), ["device/d-1"]);
}

/// The order is right when the changes come again, but consumers have appended what came too early.
#[test]
fn a_subject_whose_timer_could_not_be_armed_is_sent_again_later_all_the_same() {
    let mut fixture = Fixture::new();
    fixture.commit("demo", "d-1", &[10, 20, 30]);
    fixture.answer(|topic, record| {
        let is_second = record.attribute("time").is_some_and(|time| time.contains(":20"));
        if topic == "drover.settled" && is_second { Err(down()) } else { Ok(()) }
    });
    fixture.memory.fail(|call| match call {
        Call::TimerWrite => Fault::Refused,
        _ => Fault::None,
    });
    assert_eq!(fixture.deliver(&fixture.stream), ["0"]);
    assert_eq!(fixture.armed(TimerKind::Resend), Vec::<String>::new());
    fixture.answer(|_, _| Ok(()));
    fixture.memory.fail_nothing();
    assert_eq!(fixture.deliver(&fixture.stream), Vec::<String>::new());
    assert_eq!(fixture.armed(TimerKind::Resend), ["device/d-1"]);
    // And once only.
    fixture.memory.state().outputs.armed.clear();
    fixture.deliver(&fixture.stream);
    assert_eq!(fixture.armed(TimerKind::Resend), Vec::<String>::new());
}

#[test]
fn an_invalid_document_of_one_tenant_delays_no_other() {
    let mut fixture = Fixture::new();
    fixture.commit("acme", "d-1", &[10]);
    fixture.commit("demo", "d-1", &[10]);
    fixture.memory.put_document("T#acme", "{}");
    assert_eq!(fixture.deliver(&fixture.stream), Vec::<String>::new());
    assert_eq!(times(&fixture.sent("drover.ordered")), [10]);
    assert_eq!(fixture.armed(TimerKind::Resend), ["device/d-1"], "acme is sent again later");
}

#[test]
fn a_view_whose_contract_cannot_be_read_becomes_a_letter() {
    let mut fixture = Fixture::new();
    fixture.commit("demo", "d-1", &[10]);
    fixture.memory.state().documents.remove("C#mine@1");
    assert_eq!(fixture.deliver(&fixture.stream), Vec::<String>::new());
    assert_eq!(times(&fixture.sent("drover.ordered")), [10]);
    assert_eq!(fixture.sent("drover.views"), Vec::<String>::new());
    assert_eq!(fixture.memory.state().letters.len(), 1);
}

#[test]
fn alerts_are_counted_by_what_happens_to_them_and_their_severity_afterwards() {
    let mut fixture = Fixture::new();
    fixture.memory.put_document("T#demo", r#"{"id":"demo","lateness_seconds":3600}"#);
    let severity = json!([
        { "severity": "warning" },
        { "severity": "critical", "when": { "at_least": 35 } },
    ]);
    fixture.put_rule(
        "demo",
        &json!({
            "id": "hot", "contract": "mine", "measure": "heat", "when": { "at_least": 25 },
            "for": { "events": 2 }, "severity": severity,
        }),
    );
    let mut check = |device: &str, times: &[i64], expected: &[(AlertMetric, Severity)]| {
        fixture.commit("demo", device, times);
        let change = fixture.stream.last().expect("a change").clone();
        for expected in [expected, &[]] {
            assert_eq!(fixture.deliver(std::slice::from_ref(&change)), Vec::<String>::new());
            let counted = fixture.take_counts().alerts;
            let expected = expected.iter().map(|alert| (*alert, 1)).collect();
            assert_eq!(counted, expected, "{device} {times:?}");
        }
    };
    // The heat goes down by one each second, from 40 to 1.
    check("d-1", &[50, 90], &[(AlertMetric::Opened, Severity::Warning)]);
    check("d-1", &[85], &[]);
    check("d-1", &[110], &[(AlertMetric::Resolved, Severity::Critical)]);
    check("d-2", &[48, 92], &[(AlertMetric::Opened, Severity::Warning)]);
    check("d-2", &[70], &[(AlertMetric::Retracted, Severity::Warning)]);
}
