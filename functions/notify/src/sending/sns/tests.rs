//! Tests of the form of this kind of target.

use drover_core::outputs::alerts::News;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::sending::tests::{notification, with};

#[test]
fn a_message_is_a_text_for_people_with_attributes_for_policies() {
    let expected = Message {
        subject: "[warning] Alert opened: hot of device/d-1".to_owned(),
        text: "d-1 is at 31.5 °C\n\
               Alert opened: hot of device/d-1\n\
               \n\
               Severity: warning\n\
               State: firing\n\
               Subject: device/d-1\n\
               Rule: hot\n\
               Value: 31.5\n\
               Opened: 2026-11-21T06:00:00.000Z\n\
               Tenant: demo\n\
               Alert: 800649d2c2f4a0000123456789abcdef"
            .to_owned(),
        attributes: vec![
            ("news", "opened".to_owned()),
            ("severity", "warning".to_owned()),
            ("rule", "hot".to_owned()),
            ("tenant", "demo".to_owned()),
        ],
    };
    assert_eq!(message(&notification(News::Opened)), expected);
}

#[test]
fn each_of_the_news_has_a_subject_and_what_is_new() {
    let check = |news: News, subject: &str, line: &str| {
        let message = message(&notification(news));
        assert_eq!(message.subject, subject);
        assert!(message.text.lines().any(|other| other == line), "{}", message.text);
    };
    check(News::Moved, "[warning] Alert moved: hot of device/d-1", "State: firing");
    check(
        News::Raised,
        "[critical] Alert raised to critical: hot of device/d-1",
        "Severity: critical",
    );
    let acknowledged = "Acknowledged by: ada: on my way";
    check(News::Acknowledged, "[warning] Alert acknowledged: hot of device/d-1", acknowledged);
    check(
        News::Resolved,
        "[warning] Alert resolved: hot of device/d-1",
        "Closed: 2026-11-21T06:08:00.000Z",
    );
    let why = "Alert 800649d2c2f4a0000123456789abcdef, opened at 2026-11-21T06:00:00.000Z, did not happen, because of \
               the late event e-7, observed at 2026-11-21T05:59:00.000Z and received 540 seconds later.";
    check(News::Retracted, "[warning] Alert retracted: hot of device/d-1", why);
}

#[test]
fn a_subject_has_less_than_100_characters_of_ascii() {
    let subject = |rule: &str| subject(&with(News::Opened, json!({ "rule": rule })));
    let around = "[warning] Alert opened:  of device/d-1".len();
    assert_eq!(subject("é\n"), "[warning] Alert opened: ?  of device/d-1");
    let longest = "x".repeat(99 - around);
    assert_eq!(subject(&longest), format!("[warning] Alert opened: {longest} of device/d-1"));
    let cut = subject(&"x".repeat(100 - around));
    assert_eq!((cut.len(), cut.ends_with(" of device...")), (99, true), "{cut}");
}

proptest! {
    #[test]
    fn every_message_is_one_that_sns_takes(
        text in "(\\PC|[\n\u{0}\u{FFFF}]){0,30}", times in 0_usize..300, news in 0_usize..News::ALL.len(),
    ) {
        let long = text.repeat(times);
        let changes = json!({
            "summary": long, "subject": { "kind": "device", "id": long }, "rule": long, "value": long,
            "acknowledged": { "by": long, "note": long }, "cause": { "event_id": long }, "severity": long,
        });
        let Message { subject, text, attributes } = message(&with(News::ALL[news], changes));
        prop_assert!((1..100).contains(&subject.len()));
        prop_assert!(subject.chars().all(|one| matches!(one, ' '..='~')), "{subject}");
        prop_assert!(subject.starts_with(['[', 'A']), "{subject}");
        prop_assert!((1..200_000).contains(&text.len()));
        let is_plain = |one: char| one == '\n' || !(one.is_control() || one == '\u{FFFF}');
        prop_assert!(text.chars().all(is_plain));
        prop_assert!(attributes.iter().all(|(_, text)| !text.is_empty()));
    }
}
