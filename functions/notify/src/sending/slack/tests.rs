//! Tests of the form of this kind of target.

use drover_core::outputs::alerts::News;
use proptest::prelude::*;

use super::*;
use crate::sending::tests::{notification, with};

fn header(text: &str) -> Value {
    json!({ "type": "header", "text": { "type": "plain_text", "text": text } })
}

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } })
}

fn fields(texts: &[&str]) -> Value {
    let fields = texts.iter().map(|text| json!({ "type": "mrkdwn", "text": text }));
    json!({ "type": "section", "fields": fields.collect::<Vec<_>>() })
}

#[test]
fn a_message_has_a_text_and_blocks() {
    let expected = json!({
        "text": "Alert opened: hot of device/d-1\nd-1 is at 31.5 °C",
        "blocks": [
            header("Alert opened: hot of device/d-1"),
            section("d-1 is at 31.5 °C"),
            fields(&[
                "*Severity*\nwarning", "*State*\nfiring", "*Subject*\ndevice/d-1", "*Rule*\nhot",
                "*Value*\n31.5", "*Opened*\n2026-11-21T06:00:00.000Z", "*Tenant*\ndemo",
                "*Alert*\n800649d2c2f4a0000123456789abcdef",
            ]),
        ],
    });
    assert_eq!(body(&notification(News::Opened)), expected);
}

#[test]
fn each_of_the_news_says_what_happened() {
    let check = |news: News, title: &str, field: &str| {
        let body = body(&notification(news));
        assert_eq!(body["blocks"][0], header(title));
        let fields = body["blocks"].as_array().and_then(|blocks| blocks.last()).expect("fields");
        let texts = fields["fields"].as_array().expect("a list").iter().map(|field| &field["text"]);
        assert!(texts.into_iter().any(|text| text == field), "{fields}");
    };
    check(News::Moved, "Alert moved: hot of device/d-1", "*Severity*\nwarning");
    check(News::Raised, "Alert raised to critical: hot of device/d-1", "*Severity*\ncritical");
    let acknowledged = "*Acknowledged by*\nada: on my way";
    check(News::Acknowledged, "Alert acknowledged: hot of device/d-1", acknowledged);
    let closed = "*Closed*\n2026-11-21T06:08:00.000Z";
    check(News::Resolved, "Alert resolved: hot of device/d-1", closed);
}

#[test]
fn a_retraction_names_the_first_message_and_its_cause() {
    let expected = "Alert 800649d2c2f4a0000123456789abcdef, opened at 2026-11-21T06:00:00.000Z, did not happen, \
                    because of the late event e-7, observed at 2026-11-21T05:59:00.000Z and received 540 \
                    seconds later.";
    let body = body(&notification(News::Retracted));
    assert_eq!(body["blocks"][0], header("Alert retracted: hot of device/d-1"));
    assert_eq!(body["blocks"][2], section(expected));
    assert!(body["text"].as_str().expect("a text").ends_with(expected));
    let by_history =
        json!({ "cause": { "event_id": null, "observed_at": null, "late_seconds": null } });
    let body = super::body(&with(News::Retracted, by_history));
    let text = body["blocks"][2]["text"]["text"].as_str().expect("a text");
    assert!(
        text.ends_with("did not happen, because its history was told again or forgotten."),
        "{text}"
    );
}

#[test]
fn what_slack_reads_as_markup_is_escaped_within_the_limit() {
    let changes =
        json!({ "summary": "<!channel> & <https://a|b>", "subject": { "kind": "a", "id": "<&>" } });
    let body = body(&with(News::Opened, changes));
    assert_eq!(body["blocks"][0], header("Alert opened: hot of a/&lt;&amp;&gt;"));
    assert_eq!(body["blocks"][1], section("&lt;!channel&gt; &amp; &lt;https://a|b&gt;"));
    for (text, limit, expected) in [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("ab&", 7, "ab&amp;"),
        ("ab&c", 7, "ab…"),
        ("&&", 9, "&amp;…"),
        ("😀😀", 4, "😀😀"),
        ("😀😀", 3, "😀…"),
        ("", 3, ""),
        ("é", 1, "é"),
    ] {
        assert_eq!(escaped(text, limit), expected, "{text} {limit}");
    }
}

#[test]
fn a_test_says_so_and_an_alert_without_its_rules_has_a_message_too() {
    let body = |changes| super::body(&with(News::Opened, changes));
    let test = body(json!({ "test": true }));
    assert_eq!(test["blocks"][0], header("Test alert opened: hot of device/d-1"));
    let bare = body(json!({ "summary": "", "labels": {} }));
    assert_eq!(bare["text"], "Alert opened: hot of device/d-1");
    assert_eq!(bare["blocks"][1], section("Alert opened: hot of device/d-1"));
}

/// Checks every text of a message against the limits of its place.
fn check_limits(body: &Value) {
    let units = |text: &Value| text.as_str().expect("a text").encode_utf16().count();
    let check = |text: &Value, limit: usize| {
        assert!((1..=limit).contains(&units(text)), "{text}");
        let plain = text
            .as_str()
            .expect("a text")
            .replace("&amp;", "")
            .replace("&lt;", "")
            .replace("&gt;", "");
        assert!(!plain.contains(['&', '<', '>']), "{plain}");
    };
    check(&body["text"], 4_000);
    let blocks = body["blocks"].as_array().expect("a list");
    assert!(blocks.len() <= 50);
    for block in blocks {
        match (block["type"].as_str(), block.get("fields")) {
            (Some("header"), None) => check(&block["text"]["text"], 150),
            (Some("section"), None) => check(&block["text"]["text"], 3_000),
            (Some("section"), Some(fields)) => {
                let fields = fields.as_array().expect("a list");
                assert!((1..=10).contains(&fields.len()));
                fields.iter().for_each(|field| check(&field["text"], 2_000));
            }
            other => panic!("{other:?}"),
        }
    }
}

proptest! {
    #[test]
    fn every_message_keeps_to_the_limits(
        text in "(\\PC|[&<>\n\u{0}]|😀){0,30}", times in 0_usize..200, news in 0_usize..News::ALL.len(),
    ) {
        let long = text.repeat(times);
        let changes = json!({
            "summary": long, "subject": { "kind": "device", "id": long }, "rule": long, "value": long,
            "acknowledged": { "by": long, "note": long }, "cause": { "event_id": long },
            "severity": "critical", "id": "1", "closed_at": long,
        });
        check_limits(&body(&with(News::ALL[news], changes)));
    }
}
