//! Tests of the form of this kind of target.

use aws_sdk_eventbridge::types::PutEventsResultEntry;
use drover_core::outputs::alerts::News;

use super::*;
use crate::sending::tests::notification;
use crate::sending::webhook;

#[test]
fn the_detail_of_an_event_is_the_data_of_a_webhook_with_its_type() {
    for (news, detail_type) in [
        (News::Opened, "Alert opened"),
        (News::Moved, "Alert moved"),
        (News::Raised, "Alert raised"),
        (News::Acknowledged, "Alert acknowledged"),
        (News::Resolved, "Alert resolved"),
        (News::Retracted, "Alert retracted"),
    ] {
        let notification = notification(news);
        let webhook: Value = serde_json::from_str(&webhook::body(&notification)).expect("JSON");
        let mut expected = webhook["data"].clone();
        expected["type"] = webhook["type"].clone();
        let entry = entry("alerts", &notification);
        let detail: Value = serde_json::from_str(entry.detail().expect("a detail")).expect("JSON");
        assert_eq!(detail, expected);
        assert_eq!((entry.source(), entry.detail_type()), (Some("drover"), Some(detail_type)));
        assert_eq!(entry.event_bus_name(), Some("alerts"));
        assert_eq!(entry.time().map(|time| time.secs()), Some(notification.at.whole_seconds()));
    }
}

#[test]
fn an_event_is_taken_if_its_entry_has_an_id_and_no_error() {
    let answer = |entries| PutEventsOutput::builder().set_entries(Some(entries)).build();
    let entry = || PutEventsResultEntry::builder();
    assert_eq!(taken(&answer(vec![entry().event_id("1").build()])), Ok(()));
    let failed = entry().error_code("InternalFailure").error_message("a `b`\nc").build();
    let reason = "the bus refuses the event: code=`InternalFailure` said=`a b c`";
    assert_eq!(taken(&answer(vec![failed])), Err(super::failed(reason)));
    let nothing = "the bus refuses the event: code=`none` said=`nothing`";
    assert_eq!(taken(&answer(vec![entry().build()])), Err(super::failed(nothing)));
    let none = "EventBridge returned no result for the event";
    assert_eq!(taken(&answer(Vec::new())), Err(super::failed(none)));
}
