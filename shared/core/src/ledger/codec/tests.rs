//! Round trips, and that reading is total.

use proptest::prelude::*;

use super::parts::write_parts_of_view;
use super::*;
use crate::base::id::EventId;
use crate::event::{Arrival, Entry, IdOrigin, Placing, canonical_json};
use crate::ledger::touch::Touch;
use crate::ledger::{Frame, Stale};
use crate::view::View;
use crate::view::rules::RuleStates;

fn instant(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros).expect("in range")
}

fn an_id() -> impl Strategy<Value = (String, IdOrigin)> {
    let given = |id| (id, IdOrigin::Given);
    prop_oneof![
        "[0-9a-f]{32}".prop_map(|id| (id, IdOrigin::Record)),
        "[!-~]{1,40}".prop_map(given),
        "[0-9a-f]{32}".prop_map(given),
        "[0-9a-fA-F]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}".prop_map(given),
    ]
}

fn an_entry() -> impl Strategy<Value = Arc<Entry>> {
    let unit = prop_oneof![Just(1i64), Just(1_000), Just(1_000_000)];
    let times = (unit, -3_000_000i64..3_000_000, -1_000i64..1_000);
    let sequence = prop_oneof![Just(0u64), any::<u64>()];
    let contract = ("[a-c]", prop_oneof![Just(0u32), any::<u32>()]);
    (an_id(), times, sequence, "[a-z]{1,3}", contract, "\\PC{0,60}").prop_map(
        |((id, id_origin), (unit, observed, delay), sequence, event_type, contract, text)| {
            let (contract, contract_version) = contract;
            let observed_at = instant(observed * unit);
            let payload = canonical_json(&serde_json::json!({ "text": text })).expect("json");
            let event_id = EventId::parse(&id).expect("an id");
            let arrival = match observed.rem_euclid(5) {
                0 => Arrival::Late,
                1 => Arrival::Correction,
                _ => Arrival::InOrder,
            };
            let epoch = if observed.rem_euclid(7) == 0 { observed.unsigned_abs() } else { 0 };
            Arc::new(Entry {
                position: Position { observed_at, sequence, event_id },
                id_origin,
                event_type: Arc::from(event_type),
                contract: Arc::from(contract),
                contract_version,
                ingested_at: instant((observed + delay) * unit),
                payload,
                placing: Placing { arrival, epoch },
            })
        },
    )
}

fn a_position() -> impl Strategy<Value = Position> {
    an_entry().prop_map(|entry| entry.position.clone())
}

fn a_view() -> impl Strategy<Value = View> {
    (0u64..1_000).prop_map(|event_count| View { event_count, ..View::default() })
}

fn seconds() -> impl Strategy<Value = i64> {
    prop_oneof![
        -3_000_000_000i64..9_000_000_000,
        (-30_000i64..90_000).prop_map(|days| days * 86_400)
    ]
}

fn a_stale() -> impl Strategy<Value = Stale> {
    (a_position(), -9_000i64..9_000, any::<u64>(), any::<u64>(), seconds()).prop_map(
        |(from, since, inserts, number, expires_at)| Stale {
            from,
            since: instant(since),
            inserts,
            number,
            expires_at,
        },
    )
}

fn a_frame() -> impl Strategy<Value = Frame> {
    (any::<u64>(), seconds(), any::<u64>(), seconds())
        .prop_map(|(number, since, bytes, expires_at)| Frame { number, since, bytes, expires_at })
}

fn a_keyframe() -> impl Strategy<Value = Keyframe> {
    (a_view(), any::<u64>(), any::<u64>()).prop_map(|(opening, count, generation)| Keyframe {
        opening,
        count,
        generation,
    })
}

fn a_previous() -> impl Strategy<Value = Previous> {
    (a_position(), seconds()).prop_map(|(key, expires_at)| Previous { key, expires_at })
}

prop_compose! {
    fn a_head()(
        numbers in any::<(u64, u64)>(),
        marks in proptest::option::of((-9_000_000i64..9_000_000, -9_000i64..9_000)),
        sealed in proptest::option::of((a_position(), seconds(), proptest::option::of(a_frame()))),
        more in any::<(u64, u64, u64)>(),
        touched in proptest::option::of(proptest::sample::select(&Touch::ALL[..])),
        kept_days in -100i64..100_000,
        note in proptest::collection::vec(a_position(), 0..5),
        base in a_view(),
        tail in proptest::collection::vec(an_entry(), 0..20),
        frozen in any::<prop::sample::Index>(),
        stale in proptest::option::of(a_stale()),
        carried in proptest::option::of((a_position(), any::<u64>())),
        forgotten in proptest::option::of(a_position()),
        looked in proptest::option::of((any::<bool>(), -9_000_000i64..9_000_000)),
    ) -> Head {
        let looked_until = looked.map(|(_, until)| instant(until));
        let touched = match looked {
            Some((true, until)) => Some(Touch::Look(instant(until))),
            Some((false, _)) | None => touched,
        };
        let frozen = frozen.index(tail.len() + 1);
        let (version, epoch) = numbers;
        let (count, era, generation) = more;
        let watermark = marks.map(|(watermark, _)| instant(watermark));
        let released = marks.map(|(_, released)| instant(released * 1_000_000));
        let (sealed, page_expires_at, frame) = match sealed {
            Some((sealed, expires_at, frame)) => (Some(sealed), expires_at, frame),
            None => (None, 0, None),
        };
        let (base, stale) = (Arc::new(base), stale.map(Box::new));
        let carried = carried.map(|(from, since_version)| Box::new(Carried { from, since_version }));
        Head {
            version, epoch, era, generation, touched, looked_until, watermark, released, sealed, frame,
            page_expires_at, kept_days, count, base, tail, frozen, stale, note, carried, forgotten,
        }
    }
}

fn written(bytes: Result<Vec<u8>, Unwritable>) -> Vec<u8> {
    bytes.expect("it can be encoded")
}

/// What no format can write.
struct NotToBeWritten;

impl serde::Serialize for NotToBeWritten {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("never"))
    }
}

#[test]
fn a_view_that_cannot_be_written_is_an_error_and_not_an_empty_view() {
    let mut out = Writer::default();
    let written = write_parts_of_view(&mut out, &NotToBeWritten, &RuleStates::default());
    assert_eq!(written, Err(Unwritable("a view")));
}

proptest! {
    #[test]
    fn a_head_reads_back_as_it_was_written(head in a_head()) {
        prop_assert_eq!(decode_head(&written(encode_head(&head))), Ok(head));
    }

    #[test]
    fn a_page_reads_back_as_it_was_written(
        version in any::<u64>(),
        previous in proptest::option::of(a_previous()),
        expires_at in seconds(),
        frame in a_frame(),
        keyframe in proptest::option::of(a_keyframe()),
        entries in proptest::collection::vec(an_entry(), 1..20),
    ) {
        let page = Page { version, previous, expires_at, frame, keyframe, entries };
        prop_assert_eq!(decode_page(&written(encode_page(&page))), Ok(page));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode_head(&bytes);
        let _ = decode_page(&bytes);
    }

    #[test]
    fn damage_is_an_error_or_another_head_but_never_a_panic(
        head in a_head(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        snapshot in any::<prop::sample::Index>(),
    ) {
        let mut bytes = written(encode_head(&head));
        let index = at.index(bytes.len());
        bytes[index] = byte;
        let _ = decode_head(&bytes);
        bytes.truncate(snapshot.index(bytes.len()));
        let _ = decode_head(&bytes);
    }

    #[test]
    fn frozen_can_be_set_without_encoding_again(head in a_head(), frozen in 0usize..300) {
        let mut bytes = written(encode_head(&head));
        set_frozen(&mut bytes, frozen);
        prop_assert_eq!(bytes, written(encode_head(&Head { frozen, ..head })));
    }
}

#[test]
fn a_frame_that_would_unpack_to_too_much_is_refused() {
    let mut out = Writer::default();
    out.number(crate::base::limits::UNPACKED_BYTES as u64 + 1);
    out.byte(1);
    let bytes = out.into_bytes();
    assert_eq!(unpack(&mut Reader::new(&bytes)), Err(Malformed("texts over the limit")));
}

#[test]
fn another_format_is_refused() {
    for format in (0..=u8::MAX).filter(|format| *format != 5) {
        let mut bytes = written(encode_head(&Head::default()));
        bytes[0] = format;
        assert_eq!(decode_head(&bytes), Err(Malformed("an unknown format byte")));
    }
}

#[test]
fn a_touch_takes_three_bytes_and_an_unknown_reason_is_refused() {
    let plain = written(encode_head(&Head::default()));
    for touch in Touch::ALL {
        let mut bytes = written(encode_head(&Head { touched: Some(touch), ..Head::default() }));
        assert_eq!(bytes.len(), plain.len() + 3, "{touch:?}");
        // Behind format, flags, frozen, four numbers, era and generation.
        bytes[10] = u8::MAX;
        assert_eq!(decode_head(&bytes), Err(Malformed("an unknown reason of a touch")));
    }
}

/// Stored data outlives the code: these bytes were written by the first version of the layout.
#[test]
fn the_layout_is_read_for_ever() {
    let observed_at = instant(1_700_000_000_000_000);
    let entry = Arc::new(Entry {
        position: Position {
            observed_at,
            sequence: 0,
            event_id: EventId::parse("e-1").expect("an id"),
        },
        id_origin: IdOrigin::Given,
        event_type: Arc::from("temperature"),
        contract: Arc::from("telemetry"),
        contract_version: 0,
        ingested_at: instant(1_700_000_000_250_000),
        payload: Arc::from(r#"{"value":21.5}"#),
        placing: Placing::default(),
    });
    let head = Head {
        version: 3,
        epoch: 1,
        watermark: Some(observed_at),
        released: Some(observed_at.plus_seconds(-60)),
        count: 1,
        kept_days: 45,
        tail: vec![entry],
        ..Head::default()
    };
    let hex: String =
        written(encode_head(&head)).iter().map(|byte| format!("{byte:02x}")).collect();
    let stored = include_str!("layout-5.hex").trim();
    assert_eq!(hex, stored);
    let digits = stored.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("digits"));
    let bytes: Result<Vec<u8>, _> = digits.map(|pair| u8::from_str_radix(pair, 16)).collect();
    assert_eq!(decode_head(&bytes.expect("hexadecimal")), Ok(head));
}
