//! Which records are sent together, and when.

use drover_event_log::{Fetched, StoredRecord, TimestampType};

use super::*;
use crate::simulator::answer::Failure;
use crate::simulator::batch::{Moment, Outcome};
use crate::simulator::event::HeaderBytes;
use crate::simulator::lane::Loss;

fn source() -> EventSource {
    let (arn, bootstrap_servers) = ("arn".to_owned(), "b".to_owned());
    EventSource { arn, bootstrap_servers, header_bytes: HeaderBytes::Signed }
}

fn lanes(records: usize, window_millis: u64, partitions: i32) -> Lanes {
    let batching = Batching { records, window: Duration::from_millis(window_millis) };
    let mut lanes = Lanes::new("t", batching, &source());
    lanes.add(&(0..partitions).collect::<Vec<_>>(), &BTreeMap::new());
    lanes
}

fn record(offset: i64, bytes: usize) -> StoredRecord {
    let timestamp_type = TimestampType::CreateTime;
    let (key, value, headers) = (None, Some(vec![0; bytes].into()), Vec::new());
    StoredRecord { offset, timestamp: offset, timestamp_type, key, value, headers }
}

/// The partition brings these records of so many bytes, and no others are behind them.
fn bring(lanes: &mut Lanes, partition: i32, offsets: std::ops::Range<i64>, bytes: usize, now: i64) {
    let next = offsets.end;
    let records = offsets.map(|offset| record(offset, bytes)).collect();
    lanes.fetches(now);
    let fetched = Fetched { records, next, start: 0, end: next };
    assert_eq!(lanes.lane(partition).unwrap().fetched("t", fetched, now), Loss::None);
}

/// Partition and offsets of what is sent.
fn sent(round: &Round) -> Vec<(i32, Vec<i64>)> {
    let Round::Send(taken) = round else { panic!("{round:?}") };
    let offsets = |taken: &Taken| taken.batch.records.iter().map(|one| one.offset).collect();
    taken.iter().map(|(partition, taken)| (*partition, offsets(taken))).collect()
}

fn finish(lanes: &mut Lanes, round: Round, outcome: &Outcome, now: i64) {
    let Round::Send(taken) = round else { panic!("{round:?}") };
    let at = Moment { now, random: 0.0 };
    let decide = |taken: Taken| taken.batch.decide(outcome.clone(), &Rules::default(), at);
    lanes.finished(taken.into_iter().map(|(partition, one)| (partition, decide(one))).collect());
}

fn next(lanes: &mut Lanes, now: i64) -> Option<Round> {
    lanes.next(&Rules::default(), now)
}

#[test]
fn records_wait_for_others_no_longer_than_the_window() {
    let mut lanes = lanes(100, 20, 2);
    bring(&mut lanes, 0, 0..2, 10, 1_000);
    bring(&mut lanes, 1, 0..1, 10, 1_010);
    assert_eq!(next(&mut lanes, 1_019), None);
    assert_eq!(lanes.wake_at(), Some(1_020));
    let round = next(&mut lanes, 1_020).unwrap();
    assert_eq!(sent(&round), [(0, vec![0, 1]), (1, vec![0])]);
    assert_eq!(next(&mut lanes, 9_999), None);
}

#[test]
fn a_full_batch_waits_for_nobody_and_is_no_larger() {
    let mut lanes = lanes(3, 60_000, 2);
    bring(&mut lanes, 0, 0..2, 10, 1_000);
    bring(&mut lanes, 1, 0..2, 10, 1_001);
    assert_eq!(sent(&next(&mut lanes, 1_001).unwrap()), [(0, vec![0, 1]), (1, vec![0])]);
}

#[test]
fn an_event_is_full_by_its_bytes_too() {
    let mut lanes = lanes(10_000, 60_000, 2);
    bring(&mut lanes, 0, 0..4, 1_000_000, 1_000);
    assert_eq!(next(&mut lanes, 1_001), None);
    bring(&mut lanes, 1, 0..2, 1_000_000, 1_001);
    let round = next(&mut lanes, 1_001).unwrap();
    assert_eq!(sent(&round), [(0, vec![0, 1, 2, 3])], "a fifth would make 6.7 MB in base64");
    assert_eq!(sent(&next(&mut lanes, 70_000).unwrap()), [(1, vec![0, 1])]);
}

#[test]
fn a_record_that_fits_no_event_goes_alone_and_holds_up_nobody() {
    let mut lanes = lanes(10, 20, 2);
    bring(&mut lanes, 0, 0..1, 5_000_000, 1_000);
    bring(&mut lanes, 1, 0..1, 10, 1_001);
    let round = next(&mut lanes, 1_020).unwrap();
    let Round::TooLarge(0, taken) = round else { panic!("{round:?}") };
    assert_eq!(taken.batch.next, 1);
    assert_eq!(sent(&next(&mut lanes, 1_021).unwrap()), [(1, vec![0])]);
}

#[test]
fn one_batch_of_a_partition_is_out_at_a_time_and_others_go_on() {
    let mut lanes = lanes(2, 0, 2);
    bring(&mut lanes, 0, 0..2, 10, 1_000);
    let first = next(&mut lanes, 1_000).unwrap();
    bring(&mut lanes, 0, 2..4, 10, 1_001);
    bring(&mut lanes, 1, 0..2, 10, 1_001);
    assert_eq!(sent(&next(&mut lanes, 1_002).unwrap()), [(1, vec![0, 1])]);
    assert_eq!(next(&mut lanes, 9_000), None);
    finish(&mut lanes, first, &Outcome::Handled, 1_003);
    assert_eq!(sent(&next(&mut lanes, 1_003).unwrap()), [(0, vec![2, 3])]);
}

#[test]
fn after_a_failure_every_partition_comes_again_for_itself() {
    let mut lanes = lanes(10, 0, 2);
    bring(&mut lanes, 0, 0..2, 10, 1_000);
    bring(&mut lanes, 1, 0..2, 10, 1_000);
    let round = next(&mut lanes, 1_000).unwrap();
    finish(&mut lanes, round, &Outcome::Failed(Failure::Function), 1_000);
    bring(&mut lanes, 1, 2..3, 10, 1_001);
    assert_eq!(next(&mut lanes, 1_049), None, "nothing fresh overtakes");
    assert_eq!(lanes.wake_at(), Some(1_050));
    let first = next(&mut lanes, 1_050).unwrap();
    assert_eq!(sent(&first), [(0, vec![0, 1])]);
    let second = next(&mut lanes, 1_050).unwrap();
    assert_eq!(sent(&second), [(1, vec![0, 1])]);
    finish(&mut lanes, second, &Outcome::Handled, 1_051);
    assert_eq!(
        sent(&next(&mut lanes, 1_051).unwrap()),
        [(1, vec![2])],
        "the other one still fails"
    );
}

#[test]
fn records_that_are_too_old_are_not_sent_fresh_or_again() {
    let rules = Rules { oldest: Some(Duration::from_millis(1_000)), ..Rules::default() };
    let mut lanes = lanes(10, 0, 1);
    bring(&mut lanes, 0, 500..503, 10, 1_501);
    let round = lanes.next(&rules, 1_501).unwrap();
    assert_eq!(sent(&round), [(0, vec![501, 502])]);
    let Round::Send(taken) = &round else { panic!("{round:?}") };
    assert_eq!(taken[&0].too_old, [record(500, 10)]);
    finish(&mut lanes, round, &Outcome::Failed(Failure::NoAnswer), 1_501);
    let round = lanes.next(&rules, 1_600).unwrap();
    assert_eq!(sent(&round), [(0, vec![])]);
    let Round::Send(taken) = &round else { panic!("{round:?}") };
    assert_eq!(taken[&0].too_old.len(), 2);
    finish(&mut lanes, round, &Outcome::Handled, 1_600);
    assert_eq!(lanes.lane(0).unwrap().done_until(), 503);
}

#[test]
fn what_was_read_and_is_no_record_is_committed_too() {
    let mut lanes = lanes(10, 0, 1);
    lanes.fetches(1);
    let markers = Fetched { records: Vec::new(), next: 7, start: 0, end: 7 };
    lanes.lane(0).unwrap().fetched("t", markers, 1);
    let round = next(&mut lanes, 1).unwrap();
    assert_eq!(sent(&round), [(0, vec![])]);
    finish(&mut lanes, round, &Outcome::Handled, 1);
    assert_eq!(lanes.lane(0).unwrap().done_until(), 7);
    assert_eq!(next(&mut lanes, 2), None);
}

#[test]
fn records_that_are_gone_before_they_were_handled_are_noticed() {
    let mut lanes = Lanes::new("t", Batching::default(), &source());
    lanes.add(&[0, 1], &BTreeMap::from([(0, 5)]));
    let starts = lanes.fetches(1).into_iter().map(|(partition, offset, _)| (partition, offset));
    assert_eq!(starts.collect::<Vec<_>>(), [(0, 5), (1, 0)]);
    let fetched = || Fetched { records: vec![record(9, 1)], next: 10, start: 9, end: 10 };
    assert_eq!(lanes.lane(0).unwrap().fetched("t", fetched(), 1), Loss::Gone(5, 9));
    assert_eq!(lanes.lane(1).unwrap().fetched("t", fetched(), 1), Loss::None, "never read before");
    let levels: Vec<_> = lanes.all().map(|(_, lane)| (lane.done_until(), lane.end())).collect();
    assert_eq!(levels, [(5, 10), (9, 10)], "what was never there is no lag");
}

#[test]
fn a_lane_reads_no_further_ahead_than_a_batch_or_a_payload() {
    let mut lanes = lanes(3, 0, 2);
    bring(&mut lanes, 0, 0..3, 10, 1);
    bring(&mut lanes, 1, 0..1, 5_000_000, 1);
    for _ in 0..2 {
        assert_eq!(lanes.fetches(2), []);
    }
    let round = next(&mut lanes, 2).unwrap();
    assert_eq!(sent(&round), [(0, vec![0, 1, 2])]);
    let (partition, offset, bounds) = lanes.fetches(2)[0];
    assert_eq!((partition, offset, bounds.records), (0, 3, 3));
}

#[test]
fn a_failed_fetch_is_repeated_after_a_while() {
    let mut lanes = lanes(3, 0, 1);
    assert_eq!(lanes.fetches(1_000).len(), 1);
    lanes.lane(0).unwrap().fetch_failed(1_000);
    assert_eq!(lanes.fetches(1_001), []);
    assert_eq!(lanes.wake_at(), Some(1_500));
    assert_eq!(lanes.fetches(1_500).len(), 1);
    assert_eq!(lanes.wake_at(), None);
}
