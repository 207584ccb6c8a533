//! Properties of views for arbitrary entries (promises 9 and 10).

use std::sync::Arc;

use jsonptr::PointerBuf;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::sample::{entry, measure, specs, status};
use super::{LocationSpec, Numbers, Specs, View, ViewSpec, fold};
use crate::base::id::EventId;
use crate::base::limits;
use crate::event::Entry;

const STEPS: [&str; 8] = [
    "lesson_started",
    "lesson_completed",
    "lesson_paused",
    "lesson_resumed",
    "assessment_started",
    "assessment_completed",
    "assessment_submitted",
    "progress_updated",
];

fn greedy_specs() -> Specs {
    let pointer = |text: &str| PointerBuf::parse(text).expect("a pointer");
    let names = (0..12).map(|n| format!("{n:m>64}")).chain(["x".repeat(65)]);
    let measures = names.zip(0u8..).map(|(name, n)| {
        let unit = Some(Arc::from("u".repeat(usize::from(n) + 24)));
        super::MeasureSpec { unit, ..measure(&name, "/value") }
    });
    let location = LocationSpec {
        latitude: pointer("/lat"),
        longitude: pointer("/lon"),
        types: Vec::new(),
        numbers: Numbers::Json,
    };
    specs(ViewSpec {
        measures: measures.collect(),
        status: Some(status("/status")),
        location: Some(location),
    })
}

fn sized_text() -> impl Strategy<Value = String> {
    (0u32..60, prop_oneof![Just(3usize), Just(64), Just(65), Just(128), Just(129)])
        .prop_map(|(n, width)| format!("{n:0>width$}"))
}

fn payload() -> impl Strategy<Value = Value> {
    let lesson = (sized_text(), sized_text(), any::<f64>()).prop_map(|(course, lesson, number)| {
        let detail = json!({"score": number, "progress": number});
        json!({"course_id": course, "lesson_id": lesson, "event_data": detail})
    });
    let readings = (any::<f64>(), -95.0..95.0, -185.0..185.0, sized_text(), 0usize..1_100)
        .prop_map(|(value, lat, lon, status, padding)| {
            let padding = "p".repeat(padding);
            json!({"value": value, "lat": lat, "lon": lon, "status": status, "padding": padding})
        });
    let huge = (900usize..60_000).prop_map(|bytes| json!({"status": "é".repeat(bytes / 2)}));
    let deep = (0usize..125).prop_map(|depth| (0..depth).fold(json!(1), |inner, _| json!([inner])));
    prop_oneof![6 => lesson, 6 => readings, 1 => huge, 1 => deep]
}

fn event_type() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::sample::select(&STEPS[..]).prop_map(str::to_owned),
        2 => sized_text(),
    ]
}

fn entries(most: usize) -> impl Strategy<Value = Vec<Arc<Entry>>> {
    let line = (event_type(), payload(), 0i64..5, 0usize..2);
    prop::collection::vec(line, 0..most).prop_map(|lines| {
        let mut at = -20;
        let place = |(event_type, payload, step, long): (String, Value, i64, usize)| {
            at += step;
            let mut entry = Entry::clone(&entry(&event_type, at, &payload.to_string()));
            let width = 1 + long * 127;
            entry.position.event_id = EventId::parse(&format!("{:~>width$}", 7)).expect("an id");
            Arc::new(entry)
        };
        lines.into_iter().map(place).collect()
    })
}

fn bytes(view: &View) -> Vec<u8> {
    postcard::to_stdvec(view).expect("a view can be encoded")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_view_never_exceeds_its_limit(
        greedy in 0usize..=72,
        entries in entries(100),
    ) {
        let specs = greedy_specs();
        let mut view = fold(View::default(), &greedy_entries()[..greedy], &specs);
        for entry in &entries {
            view.apply(entry, &specs);
            prop_assert!(bytes(&view).len() <= limits::VIEW_BYTES);
        }
        prop_assert_eq!(view.event_count, (greedy + entries.len()) as u64);
    }

    #[test]
    fn folding_in_two_pieces_equals_folding_in_one(
        greedy in 0usize..=72,
        entries in entries(100),
        snapshot in any::<prop::sample::Index>(),
    ) {
        let specs = greedy_specs();
        let history = [&greedy_entries()[..greedy], &entries].concat();
        let (early, late) = history.split_at(snapshot.index(history.len() + 1));
        let stored = bytes(&fold(View::default(), early, &specs));
        let restored: View = postcard::from_bytes(&stored).expect("a view that was stored");
        let whole = bytes(&fold(View::default(), &history, &specs));
        prop_assert_eq!(bytes(&fold(restored, late, &specs)), &whole[..]);
        prop_assert_eq!(bytes(&fold(View::default(), &history, &specs)), whole);
    }
}

/// Every unit at its maximum size: long names, and payloads that fill the rest.
fn greedy_entries() -> Vec<Arc<Entry>> {
    let readings = (0..12).map(|n| {
        let payload = json!({
            "value": 0.1, "lat": 0.1, "lon": 0.1, "status": format!("{n:s>64}"),
            "padding": "p".repeat(limits::LATEST_PAYLOAD_BYTES - 200),
        });
        entry(&format!("{n:t>128}"), n - 200, &payload.to_string())
    });
    let lessons = (0..60).map(|n| {
        let id = format!("{n:l>128}");
        let payload = json!({"course_id": id, "lesson_id": id});
        entry(STEPS[usize::from(n % 3 == 0)], n - 100, &payload.to_string())
    });
    readings.chain(lessons).collect()
}

#[test]
fn payloads_are_dropped_when_every_unit_is_full() {
    let specs = greedy_specs();
    let entries = greedy_entries();
    let readings = fold(View::default(), &entries[..12], &specs);
    assert_eq!(readings.latest.without_payload(), 0);

    let view = fold(readings, &entries[12..], &specs);
    let size = bytes(&view).len();
    assert!(size <= limits::VIEW_BYTES);
    assert!(size > limits::VIEW_BYTES - 2 * limits::LATEST_PAYLOAD_BYTES);
    assert!(view.latest.without_payload() > 0);
    assert!(view.latest.payload_bytes() >= limits::LATEST_FREE_BYTES);
    let over = view.to_json()["over"].as_object().expect("an object").clone();
    let names: Vec<_> = over.keys().map(String::as_str).collect();
    let expected = [
        "finished_lessons",
        "latest",
        "latest_payloads",
        "measures",
        "open_lessons",
        "other_status_seconds",
        "statuses",
    ];
    assert_eq!(names, expected);
}

#[test]
fn an_empty_view_costs_little() {
    assert_eq!(bytes(&View::default()).len(), 12);
}

#[test]
fn a_payload_that_is_not_json_still_counts() {
    let view = fold(View::default(), &[entry("lesson_started", 0, "{")], &greedy_specs());
    assert_eq!(view.event_count, 1);
    assert_eq!(view.to_json()["lessons"], json!([]));
}
