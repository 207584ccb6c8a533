//! Which records are sent together, and when.

use drover_event_log::{Fetched, TimestampType};

use super::*;
use crate::batch::{AttemptOutcome, Failure, Moment};
use crate::kafka::event::HeaderBytes;
use crate::kafka::partition::Loss;

fn source() -> EventSource {
    let (arn, bootstrap_servers) = ("arn".to_owned(), "b".to_owned());
    EventSource { arn, bootstrap_servers, header_bytes: HeaderBytes::Signed }
}

fn states(records: usize, window_millis: u64, partitions: i32) -> PartitionStates {
    let batching = Batching { records, window: Duration::from_millis(window_millis) };
    let mut states = PartitionStates::new("t", batching, &source());
    states.add(&(0..partitions).collect::<Vec<_>>(), &BTreeMap::new());
    states
}

fn record(offset: i64, bytes: usize) -> StoredRecord {
    let timestamp_type = TimestampType::CreateTime;
    let (key, value, headers) = (None, Some(vec![0; bytes].into()), Vec::new());
    StoredRecord { offset, timestamp: offset, timestamp_type, key, value, headers }
}

/// The partition's fetch returns these records of so many bytes, and reaches the end.
fn bring(
    states: &mut PartitionStates,
    partition: i32,
    offsets: std::ops::Range<i64>,
    bytes: usize,
    now: i64,
) {
    let next = offsets.end;
    let records = offsets.map(|offset| record(offset, bytes)).collect();
    states.fetches(now);
    let fetched = Fetched { records, next, start: 0, end: next };
    assert_eq!(states.state(partition).unwrap().fetched("t", fetched, now), Loss::None);
}

/// Partition and offsets of the sent records.
fn sent(invocation: &Invocation) -> Vec<(i32, Vec<i64>)> {
    let Invocation::Send(taken) = invocation else { panic!("{invocation:?}") };
    let offsets = |taken: &Taken| taken.batch.records.iter().map(|one| one.offset).collect();
    taken.iter().map(|(partition, taken)| (*partition, offsets(taken))).collect()
}

fn finish(
    states: &mut PartitionStates,
    invocation: Invocation,
    outcome: &AttemptOutcome,
    now: i64,
) {
    let Invocation::Send(taken) = invocation else { panic!("{invocation:?}") };
    let at = Moment { now, random: 0.0 };
    let decide = |taken: Taken| taken.batch.decide(outcome.clone(), &Rules::default(), at);
    states.finished(taken.into_iter().map(|(partition, one)| (partition, decide(one))).collect());
}

fn next(states: &mut PartitionStates, now: i64) -> Option<Invocation> {
    states.next(&Rules::default(), now)
}

#[test]
fn records_wait_for_others_no_longer_than_the_window() {
    let mut states = states(100, 20, 2);
    bring(&mut states, 0, 0..2, 10, 1_000);
    bring(&mut states, 1, 0..1, 10, 1_010);
    assert_eq!(next(&mut states, 1_019), None);
    assert_eq!(states.wake_at(), Some(1_020));
    let invocation = next(&mut states, 1_020).unwrap();
    assert_eq!(sent(&invocation), [(0, vec![0, 1]), (1, vec![0])]);
    assert_eq!(next(&mut states, 9_999), None);
}

#[test]
fn a_full_batch_is_sent_at_once_and_is_no_larger() {
    let mut states = states(3, 60_000, 2);
    bring(&mut states, 0, 0..2, 10, 1_000);
    bring(&mut states, 1, 0..2, 10, 1_001);
    assert_eq!(sent(&next(&mut states, 1_001).unwrap()), [(0, vec![0, 1]), (1, vec![0])]);
}

#[test]
fn an_event_is_full_by_its_bytes_too() {
    let mut states = states(10_000, 60_000, 2);
    bring(&mut states, 0, 0..4, 1_000_000, 1_000);
    assert_eq!(next(&mut states, 1_001), None);
    bring(&mut states, 1, 0..2, 1_000_000, 1_001);
    let invocation = next(&mut states, 1_001).unwrap();
    assert_eq!(sent(&invocation), [(0, vec![0, 1, 2, 3])], "a fifth would make 6.7 MB in base64");
    assert_eq!(sent(&next(&mut states, 70_000).unwrap()), [(1, vec![0, 1])]);
}

#[test]
fn a_record_that_fits_no_event_is_alone_and_blocks_no_other() {
    let mut states = states(10, 20, 2);
    bring(&mut states, 0, 0..1, 5_000_000, 1_000);
    bring(&mut states, 1, 0..1, 10, 1_001);
    let invocation = next(&mut states, 1_020).unwrap();
    let Invocation::TooLarge(0, taken) = invocation else { panic!("{invocation:?}") };
    assert_eq!(taken.batch.next, 1);
    assert_eq!(sent(&next(&mut states, 1_021).unwrap()), [(1, vec![0])]);
}

#[test]
fn one_batch_of_a_partition_is_in_flight_at_a_time_and_other_partitions_continue() {
    let mut states = states(2, 0, 2);
    bring(&mut states, 0, 0..2, 10, 1_000);
    let first = next(&mut states, 1_000).unwrap();
    bring(&mut states, 0, 2..4, 10, 1_001);
    bring(&mut states, 1, 0..2, 10, 1_001);
    assert_eq!(sent(&next(&mut states, 1_002).unwrap()), [(1, vec![0, 1])]);
    assert_eq!(next(&mut states, 9_000), None);
    finish(&mut states, first, &AttemptOutcome::Handled, 1_003);
    assert_eq!(sent(&next(&mut states, 1_003).unwrap()), [(0, vec![2, 3])]);
}

#[test]
fn after_a_failure_each_partition_is_retried_separately() {
    let mut states = states(10, 0, 2);
    bring(&mut states, 0, 0..2, 10, 1_000);
    bring(&mut states, 1, 0..2, 10, 1_000);
    let invocation = next(&mut states, 1_000).unwrap();
    finish(&mut states, invocation, &AttemptOutcome::Failed(Failure::Function), 1_000);
    bring(&mut states, 1, 2..3, 10, 1_001);
    assert_eq!(next(&mut states, 1_049), None, "no fresh record overtakes a retry");
    assert_eq!(states.wake_at(), Some(1_050));
    let first = next(&mut states, 1_050).unwrap();
    assert_eq!(sent(&first), [(0, vec![0, 1])]);
    let second = next(&mut states, 1_050).unwrap();
    assert_eq!(sent(&second), [(1, vec![0, 1])]);
    finish(&mut states, second, &AttemptOutcome::Handled, 1_051);
    assert_eq!(
        sent(&next(&mut states, 1_051).unwrap()),
        [(1, vec![2])],
        "the other one still fails"
    );
}

#[test]
fn records_that_are_too_old_are_not_sent_fresh_or_again() {
    let rules = Rules { oldest: Some(Duration::from_millis(1_000)), ..Rules::default() };
    let mut states = states(10, 0, 1);
    bring(&mut states, 0, 500..503, 10, 1_501);
    let invocation = states.next(&rules, 1_501).unwrap();
    assert_eq!(sent(&invocation), [(0, vec![501, 502])]);
    let Invocation::Send(taken) = &invocation else { panic!("{invocation:?}") };
    assert_eq!(taken[&0].too_old, [record(500, 10)]);
    finish(&mut states, invocation, &AttemptOutcome::Failed(Failure::NoAnswer), 1_501);
    let invocation = states.next(&rules, 1_600).unwrap();
    assert_eq!(sent(&invocation), [(0, vec![])]);
    let Invocation::Send(taken) = &invocation else { panic!("{invocation:?}") };
    assert_eq!(taken[&0].too_old.len(), 2);
    finish(&mut states, invocation, &AttemptOutcome::Handled, 1_600);
    assert_eq!(states.state(0).unwrap().done_until(), 503);
}

#[test]
fn offsets_without_records_are_committed_too() {
    let mut states = states(10, 0, 1);
    states.fetches(1);
    let markers = Fetched { records: Vec::new(), next: 7, start: 0, end: 7 };
    states.state(0).unwrap().fetched("t", markers, 1);
    let invocation = next(&mut states, 1).unwrap();
    assert_eq!(sent(&invocation), [(0, vec![])]);
    finish(&mut states, invocation, &AttemptOutcome::Handled, 1);
    assert_eq!(states.state(0).unwrap().done_until(), 7);
    assert_eq!(next(&mut states, 2), None);
}

#[test]
fn records_deleted_before_they_were_handled_are_noticed() {
    let mut states = PartitionStates::new("t", Batching::default(), &source());
    states.add(&[0, 1], &BTreeMap::from([(0, 5)]));
    let starts = states.fetches(1).into_iter().map(|(partition, offset, _)| (partition, offset));
    assert_eq!(starts.collect::<Vec<_>>(), [(0, 5), (1, 0)]);
    let fetched = || Fetched { records: vec![record(9, 1)], next: 10, start: 9, end: 10 };
    assert_eq!(states.state(0).unwrap().fetched("t", fetched(), 1), Loss::Gone(5, 9));
    assert_eq!(
        states.state(1).unwrap().fetched("t", fetched(), 1),
        Loss::None,
        "never read before"
    );
    let levels: Vec<_> = states.all().map(|(_, state)| (state.done_until(), state.end())).collect();
    assert_eq!(levels, [(5, 10), (9, 10)], "records that never existed do not count as lag");
}

#[test]
fn a_partition_reads_ahead_at_most_a_batch_or_a_payload() {
    let mut states = states(3, 0, 2);
    bring(&mut states, 0, 0..3, 10, 1);
    bring(&mut states, 1, 0..1, 5_000_000, 1);
    for _ in 0..2 {
        assert_eq!(states.fetches(2), []);
    }
    let invocation = next(&mut states, 2).unwrap();
    assert_eq!(sent(&invocation), [(0, vec![0, 1, 2])]);
    let (partition, offset, bounds) = states.fetches(2)[0];
    assert_eq!((partition, offset, bounds.records), (0, 3, 3));
}

#[test]
fn a_failed_fetch_is_repeated_after_a_delay() {
    let mut states = states(3, 0, 1);
    assert_eq!(states.fetches(1_000).len(), 1);
    states.state(0).unwrap().fetch_failed(1_000);
    assert_eq!(states.fetches(1_001), []);
    assert_eq!(states.wake_at(), Some(1_500));
    assert_eq!(states.fetches(1_500).len(), 1);
    assert_eq!(states.wake_at(), None);
}
