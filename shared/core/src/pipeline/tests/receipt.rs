//! Tests of record timestamps: which times the event gets.

use proptest::prelude::*;

use super::*;
use crate::intake::kafka_event::{Decoded, decode};
use crate::intake::record::{Receipt, TopicRetention};

/// A contract whose events may have no time. Their time is the time of receipt.
const UNTIMED: &str = r#"{
    "name": "untimed", "subject": {"kind": "device", "id": {"path": "/id"}},
    "type": {"const": "seen"}, "observed_at": {"path": "/at", "format": "epoch"},
    "without_time": "received", "payload": {"path": ""}
}"#;

/// Processes a record with this timestamp, in milliseconds since 1970, at `now`. Returns its disposition, and
/// the times of its event (`observed_at`, `ingested_at`), if it has an event.
fn taken(
    value: &str,
    timestamp: i64,
    now: Timestamp,
) -> (Disposition, Option<(Timestamp, Timestamp)>) {
    let memory = Faulty::over(Memory::new(now));
    memory.put_document("T#demo", r#"{"id":"demo"}"#);
    memory.put_document("R#untimed", r#"{"contract":"untimed","tenant":{"const":"demo"}}"#);
    memory.put_contract("untimed", UNTIMED);
    memory.put_document("REV", "{}");
    let value = base64_simd::STANDARD.encode_to_string(value);
    let event = format!(
        r#"{{"records":{{"untimed-0":[{{"topic":"untimed","partition":0,"offset":7,
            "timestamp":{timestamp},"value":"{value}"}}]}}}}"#
    );
    let receipt = Receipt { now, retention: TopicRetention::WEEK };
    let Decoded { records, .. } = decode(&event, receipt).expect("an event");
    let report = pipeline().process(&memory, records, Timestamp::MAX).now_or_never();
    let report = report.expect("memory never waits").expect("a closed breaker");
    let [disposition] = report.dispositions[..] else { panic!("one record") };
    let scope = TenantScope::by_operator(TenantId::parse("demo").expect("a tenant"));
    let subject = SubjectId::parse("device/d1").expect("a subject");
    let location = SubjectLocation { key: scope.subject(subject), table: None };
    let question = crate::ledger::read::Question::History { from: None, to: None };
    let read =
        crate::subject::reader::read(&memory, &location, question).now_or_never().expect("ready");
    let snapshot = read.expect("available").0;
    let times = snapshot.and_then(|snapshot| {
        snapshot.entries().next().map(|entry| (entry.position.observed_at, entry.ingested_at))
    });
    (disposition, times)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_good_event_is_applied_with_any_record_timestamp(
        timestamp in prop_oneof![
            any::<i64>(),
            Just(0), Just(NOW), Just(NOW * 1_000_000),
            // Plausible timestamps and those just outside the limits.
            (NOW - 700_000) * 1_000..(NOW + 400) * 1_000,
        ],
    ) {
        let now = second(0);
        let stamp = Timestamp::from_millis(timestamp).filter(|stamp| *stamp <= now);
        let oldest = now.plus_seconds(-8 * 24 * 60 * 60);
        let observed = stamp.filter(|stamp| *stamp >= oldest).unwrap_or(now).whole_seconds();
        let value = format!(r#"{{"id":"d1","at":{observed}}}"#);
        let (disposition, times) = taken(&value, timestamp, now);
        prop_assert_eq!(disposition, Disposition::Applied);
        let (observed_at, ingested_at) = times.expect("an event");
        prop_assert_eq!(observed_at.whole_seconds(), observed);
        prop_assert!((oldest..=now).contains(&ingested_at));
    }

    /// An event without a time gets the timestamp of its record, or is rejected. It never gets a time that
    /// differs between deliveries, or an implausible time.
    #[test]
    fn every_delivery_of_an_event_without_time_gives_the_same_time(
        timestamp in prop_oneof![
            any::<i64>(),
            Just(-1), Just(0), Just(NOW), Just(NOW * 1_000_000),
            (NOW - 700_000) * 1_000..(NOW + 400) * 1_000,
        ],
        later in 0..2_000_000_i64,
    ) {
        let mut positions = std::collections::BTreeSet::new();
        for now in [second(0), second(later)] {
            let (disposition, times) = taken(r#"{"id":"d1"}"#, timestamp, now);
            match times {
                Some((observed_at, ingested_at)) => {
                    prop_assert_eq!(disposition, Disposition::Applied);
                    prop_assert_eq!(Some(observed_at), Timestamp::from_millis(timestamp));
                    prop_assert!(ingested_at <= now && ingested_at <= observed_at);
                    prop_assert!(observed_at >= now.plus_seconds(-8 * 24 * 60 * 60));
                    positions.insert(observed_at);
                }
                None => {
                    prop_assert_eq!(disposition, Disposition::DeadLettered(Code::MissingField));
                }
            }
        }
        prop_assert!(positions.len() <= 1);
    }
}
