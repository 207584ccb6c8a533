//! Letters that stand for whole batches, and messages of unknown format.

use serde_json::json;

use super::fixture::{Bench, MINUTE};
use super::open_letters;
use crate::base::metrics::Metric;
use crate::base::time::Timestamp;
use crate::dead_letter::envelope::Content;
use crate::dead_letter::letter::{Owner, State};
use crate::intake::record::{Record, Source};
use crate::replay::RunRequest;

#[test]
fn a_batch_reference_is_replayed_by_rereading_its_offsets() {
    let bench = Bench::new();
    let records = [bench.good("d1", 0), bench.narrow("d1", 1), bench.good("d2", 2)];
    bench.hold(&records, 0);
    bench.file(&bench.given_up(0, 2));
    let dry = RunRequest { dry_run: true, ..RunRequest::replay("me") };
    let dry = bench.replay(&Owner::Operator, dry).run;
    let expected = json!({"applied": 2, "schema_violation": 1});
    assert_eq!(json!(dry.outcomes), expected);
    assert!(bench.letters(&Bench::demo()).is_empty() && bench.history("demo", "d1").is_empty());
    let run = bench.replay(&Owner::Operator, RunRequest::replay("me")).run;
    assert_eq!((json!(run.outcomes), run.examined), (expected, 1));
    assert_eq!(bench.history("demo", "d1"), [0]);
    let letter = bench.letters(&Bench::demo()).remove(0).letter;
    assert_eq!((letter.code.as_str(), letter.state), ("schema_violation", State::Open));
    assert_eq!(bench.letters(&Owner::Operator).remove(0).letter.state, State::Resolved);
}

#[test]
fn missing_offsets_are_counted_as_lost_and_the_letter_is_parked() {
    let bench = Bench::new();
    bench.hold(&[bench.good("d1", 3), bench.good("d1", 4)], 3);
    bench.file(&bench.given_up(0, 4));
    let progress = bench.replay(&Owner::Operator, RunRequest::replay("me"));
    assert_eq!(json!(progress.run.outcomes), json!({"applied": 2, "lost": 3}));
    assert!((progress.tally.total(Metric::OffsetsLost) - 3.0).abs() < f64::EPSILON);
    let letter = bench.letters(&Owner::Operator).remove(0).letter;
    assert_eq!(letter.state, State::Parked);
    assert!(letter.message.ends_with("lost=`3`"), "{}", letter.message);
}

#[test]
fn records_in_the_batch_message_are_not_reread() {
    let bench = Bench::new();
    let event = bench.lambda_event(&[bench.good("d1", 0), bench.good("d1", 1)]);
    let mut message: serde_json::Value = serde_json::from_str(&bench.given_up(0, 1)).expect("JSON");
    message["payload"] = json!(event);
    bench.file(&message.to_string());
    let notification = json!({"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": "b"}, "object": {"key": "k"}}}]});
    bench.file(&notification.to_string());
    let object = message.to_string().into_bytes();
    bench.memory.state().objects.insert(("b".to_owned(), "k".to_owned()), object);
    let run = bench.replay(&Owner::Operator, RunRequest::replay("me")).run;
    assert_eq!(json!(run.outcomes), json!({"applied": 2, "duplicate": 2}));
    assert_eq!(bench.history("demo", "d1"), [0, 1]);
}

#[test]
fn a_message_whose_format_is_known_now_is_stored_as_the_right_letter() {
    let bench = Bench::new();
    bench.file("from a later version");
    let body = bench.given_up(0, 0).into_bytes();
    let known = Content { key: None, value: Some(body), headers: Vec::new() };
    {
        let state = &mut *bench.memory.state();
        let chunks = &mut state.filed.get_mut("O#D").expect("a letter").chunks;
        *chunks.values_mut().next().expect("a chunk") = known.pack().expect("packed");
    }
    let dry = RunRequest { dry_run: true, ..RunRequest::replay("me") };
    for request in [dry, RunRequest::replay("me")] {
        let run = bench.replay(&Owner::Operator, request).run;
        assert_eq!(json!(run.outcomes), json!({"filed": 1}));
    }
    let open = open_letters(&bench, &Owner::Operator);
    assert_eq!((open.len(), open[0].letter.code.as_str()), (1, "undelivered"));
}

#[test]
fn reread_records_were_received_no_later_than_they_were_discarded() {
    let bench = Bench::new();
    let ahead = stamped(bench.ahead("d1", 0), bench.at(2 * 60 * MINUTE));
    bench.hold(&[ahead], 0);
    bench.file(&bench.given_up(0, 0));
    bench.later(3 * 60 * MINUTE);
    let run = bench.replay(&Owner::Operator, RunRequest::replay("me")).run;
    assert_eq!(json!(run.outcomes), json!({"future_timestamp": 1}));
}

/// A record with an impossible timestamp uses the time when it was discarded, in each replay.
#[test]
fn a_reread_record_with_an_impossible_timestamp_is_applied() {
    let bench = Bench::new();
    let stamps = [Timestamp::from_millis(0), Timestamp::from_millis(1_800_000_000)];
    let records = (0..).zip(stamps.into_iter().flatten());
    let records: Vec<Record> =
        records.map(|(at, stamp)| stamped(bench.good("d1", at), stamp)).collect();
    bench.hold(&records, 0);
    bench.file(&bench.given_up(0, 1));
    let mut with_records: serde_json::Value =
        serde_json::from_str(&bench.given_up(0, 2)).expect("JSON");
    with_records["payload"] = json!(bench.lambda_event(&records));
    bench.file(&with_records.to_string());
    bench.later(60 * 24 * 60 * MINUTE);
    let run = bench.replay(&Owner::Operator, RunRequest::replay("me")).run;
    assert_eq!(json!(run.outcomes), json!({"applied": 2, "duplicate": 2}));
    assert_eq!(bench.history("demo", "d1"), [0, 1]);
}

/// A record with another producer timestamp.
fn stamped(mut record: Record, stamp: Timestamp) -> Record {
    if let Source::Kafka { timestamp, .. } = &mut record.source {
        *timestamp = Some(stamp.micros() / 1_000);
    }
    record
}
