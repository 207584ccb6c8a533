//! When a view is sent, and what.

use std::collections::BTreeSet;

use super::*;
use crate::base::id::{EventId, Position, SubjectId, TenantId};
use crate::base::scope::TenantScope;
use crate::base::time::Timestamp;
use crate::event::{Entry, IdOrigin, Placing};
use crate::ledger::Stale;

fn subject() -> SubjectKey {
    let scope = TenantScope::by_operator(TenantId::parse("demo").expect("a tenant"));
    scope.subject(SubjectId::parse("device/d-1").expect("a subject"))
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000).expect("in range")
}

fn head() -> Head {
    let entry = Entry {
        position: Position {
            observed_at: at(0),
            sequence: 0,
            event_id: EventId::parse("e-1").expect("an id"),
        },
        id_origin: IdOrigin::Given,
        event_type: "temperature".into(),
        contract: "telemetry".into(),
        contract_version: 0,
        ingested_at: at(1),
        payload: r#"{"value":21.5}"#.into(),
        placing: Placing::default(),
    };
    let (watermark, released) = (Some(at(0)), Some(at(-60)));
    let tail = vec![Arc::new(entry)];
    Head { version: 7, epoch: 2, count: 1, watermark, released, tail, ..Head::default() }
}

fn stale() -> Head {
    let from = head().tail[0].position.clone();
    let stale = Stale { from, since: at(0), inserts: 1, number: 1, expires_at: 0 };
    Head { version: 8, stale: Some(Box::new(stale)), ..head() }
}

fn sent(head: Head) -> Option<FeedRecord> {
    record(&subject(), head, &Specs::default())
}

#[test]
fn a_view_has_what_the_query_api_answers_and_is_never_stale() {
    let record = sent(head()).expect("a record");
    assert_eq!((record.feed, record.attribute("drovercommit")), (Feed::Views, Some("0.7")));
    let data: Value = serde_json::from_str(record.data.as_deref().expect("data")).expect("JSON");
    let own = ["kind", "id", "version", "epoch", "settled_until", "stale", "event_count"];
    let expected = json!(["device", "d-1", 7, 2, "1969-12-31T23:59:00.000Z", false, 1]);
    assert_eq!(json!(own.map(|name| data[name].clone())), expected);
    assert_eq!(data["latest"]["temperature"]["payload"], json!({"value": 21.5}));
}

#[test]
fn a_forgotten_subject_has_no_view() {
    assert_eq!(sent(head().forget()).expect("a record").data, None);
}

#[test]
fn a_view_that_is_out_of_date_waits_for_the_commit_that_clears_it() {
    let views = Feeds { enabled: BTreeSet::from([Feed::Views]), ..Feeds::default() };
    let due = |old: &Head, new: &Head| is_due(&views, &Changes::between(Some(old), new));
    assert_eq!(sent(stale()), None);
    assert!(!due(&head(), &stale()));
    assert!(!due(&stale(), &Head { version: 9, ..stale() }));
    assert!(due(&stale(), &Head { version: 9, ..head() }));
    let none = Feeds::default();
    assert!(!is_due(&none, &Changes::between(Some(&stale()), &Head { version: 9, ..head() })));
}
