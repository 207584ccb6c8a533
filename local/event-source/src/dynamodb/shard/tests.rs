//! What is sent when, and which checkpoints are due.

mod reading;

use std::time::Duration;

use super::*;
use crate::batch::{AttemptOutcome, Batch, Failure, Moment};
use crate::dynamodb::event::PAYLOAD_BYTES;
use crate::dynamodb::lane::Taken;

const SECOND: i64 = 1_000;

fn number(number: u32) -> SequenceNumber {
    SequenceNumber::parse(&format!("{number:021}")).unwrap()
}

fn read(sequence: u32, key: u64) -> Read {
    let json = Some(format!("{{\"n\":{sequence}}}"));
    let created_at = i64::from(sequence) * SECOND;
    Read { sequence: number(sequence), created_at, bytes: 100, key, json }
}

fn filtered(sequence: u32) -> Read {
    Read { json: None, ..read(sequence, 0) }
}

/// A shard, and the settings under which it runs.
struct Fixture {
    shard: Shard,
    batching: Batching,
    rules: Rules,
}

impl Fixture {
    fn new(checkpoint: Option<ShardCheckpoint>, start: StartAt, lanes: usize) -> Self {
        let shard = Shard::new(checkpoint, start, lanes, 100 * SECOND);
        let batching = Batching { records: 10, window: Duration::ZERO };
        Self { shard, batching, rules: Rules::default() }
    }

    /// A shard from the horizon, with its first checkpoint.
    fn begun(lanes: usize) -> Self {
        let mut fixture = Self::new(None, StartAt::TrimHorizon, lanes);
        fixture.commit();
        fixture
    }

    fn fetch(&mut self) -> Option<Fetch> {
        self.shard.fetch(&self.batching, 0)
    }

    fn from(&mut self) -> Result<String, StartAt> {
        self.fetch().unwrap().from
    }

    /// A fetch returns these records at this time.
    fn bring(&mut self, records: Vec<Read>, now: i64) {
        self.fetch().unwrap();
        self.shard.fetched(records, Some("next".to_owned()), now, now);
    }

    fn commit(&mut self) -> Option<ShardCheckpoint> {
        let checkpoint = self.shard.commit()?;
        self.shard.committed(checkpoint.clone());
        Some(checkpoint)
    }

    fn take(&mut self, now: i64) -> Option<(usize, Work)> {
        self.commit();
        self.shard.take(&self.batching, &self.rules, now)
    }

    /// Lane, and sequence numbers, of the records that are sent at this time.
    fn sent(&mut self, now: i64) -> Option<(usize, Batch<Change>, Vec<u32>)> {
        match self.take(now)? {
            (lane, Work::Send(Taken { batch, too_old })) => {
                assert_eq!(too_old, []);
                let sequences = sequences(&batch.records);
                Some((lane, batch, sequences))
            }
            (_, work) => panic!("{work:?}"),
        }
    }

    fn finish(&mut self, lane: usize, batch: Batch<Change>, outcome: AttemptOutcome, now: i64) {
        let decision = batch.decide(outcome, &self.rules, Moment { now, random: 0.0 });
        self.shard.finished(lane, decision);
    }

    /// The lanes of the durable checkpoint, after the checkpoint that is due is committed.
    fn durable(&mut self) -> Vec<Option<u32>> {
        self.commit();
        lanes(self.shard.committed.as_ref())
    }

    /// Sends and handles everything that is due.
    fn handle_all(&mut self, now: i64) -> Vec<Vec<u32>> {
        let mut all = Vec::new();
        while let Some((lane, batch, sequences)) = self.sent(now) {
            self.finish(lane, batch, AttemptOutcome::Handled, now);
            all.push(sequences);
        }
        all
    }
}

fn sequences(records: &[Change]) -> Vec<u32> {
    records.iter().map(|one| one.sequence.as_str().parse().unwrap()).collect()
}

fn lanes(checkpoint: Option<&ShardCheckpoint>) -> Vec<Option<u32>> {
    let number = |lane: &Option<Digits>| {
        lane.as_ref().map(|Digits(sequence)| sequence.as_str().parse().unwrap())
    };
    checkpoint.unwrap().lanes.iter().map(number).collect()
}

fn checkpoint(lanes: &[Option<u32>]) -> ShardCheckpoint {
    let lanes = lanes.iter().map(|lane| lane.map(|one| Digits(number(one)))).collect();
    ShardCheckpoint { lanes, since: None, is_complete: false }
}

#[test]
fn a_batch_closes_when_it_is_full_or_its_window_is_over() {
    let mut fixture = Fixture::begun(1);
    fixture.batching = Batching { records: 3, window: Duration::from_millis(20) };
    fixture.bring(vec![read(1, 0), read(2, 0)], 1_000);
    assert!(fixture.take(1_019).is_none());
    assert_eq!(fixture.shard.wake_at(&fixture.batching).collect::<Vec<_>>(), [1_020]);
    fixture.bring(vec![read(3, 0), read(4, 0)], 1_019);
    let (lane, batch, sent) = fixture.sent(1_019).unwrap();
    assert_eq!(sent, [1, 2, 3]);
    fixture.finish(lane, batch, AttemptOutcome::Handled, 1_019);
    assert!(fixture.take(1_038).is_none());
    assert_eq!(fixture.sent(1_039).unwrap().2, [4]);
}

#[test]
fn a_batch_never_exceeds_the_payload_of_an_invocation() {
    let mut fixture = Fixture::begun(1);
    fixture.batching.window = Duration::from_secs(300);
    let large = |sequence, bytes| Read { json: Some("x".repeat(bytes)), ..read(sequence, 0) };
    let third = PAYLOAD_BYTES / 3;
    fixture.bring(vec![large(1, third), large(2, third), large(3, third)], 0);
    let (lane, batch, sent) = fixture.sent(0).unwrap();
    assert_eq!(sent, [1, 2]);
    fixture.finish(lane, batch, AttemptOutcome::Handled, 0);

    fixture.bring(vec![large(4, PAYLOAD_BYTES)], 0);
    let (lane, batch, sent) = fixture.sent(0).unwrap();
    assert_eq!(sent, [3]);
    fixture.finish(lane, batch, AttemptOutcome::Handled, 0);
    let Some((lane, Work::TooLarge(batch))) = fixture.take(0) else { panic!("sent") };
    assert_eq!(sequences(&batch.records), [4]);
    fixture.finish(lane, batch, AttemptOutcome::TooLarge, 0);
    assert_eq!(lanes(fixture.commit().as_ref()), [Some(4)]);
}

#[test]
fn records_of_one_key_are_in_one_lane_and_never_in_flight_twice() {
    let mut fixture = Fixture::begun(2);
    fixture.bring(vec![read(1, 0), read(2, 1), read(3, 2), read(4, 1)], 0);
    let (first, even, sent) = fixture.sent(0).unwrap();
    assert_eq!(sent, [1, 3]);
    let (second, odd, sent) = fixture.sent(0).unwrap();
    assert_eq!(sent, [2, 4]);
    assert_ne!(first, second);
    fixture.bring(vec![read(5, 0)], 0);
    assert!(fixture.take(0).is_none());
    let failed = AttemptOutcome::Failed(Failure::Function);
    fixture.finish(first, even, failed, 0);
    // The retry waits for its delay, and record 5 for the retry.
    assert!(fixture.take(0).is_none());
    assert_eq!(fixture.sent(50).unwrap().2, [1, 3]);
    fixture.finish(second, odd, AttemptOutcome::Handled, 0);
    assert_eq!(lanes(fixture.commit().as_ref()), [None, Some(5)]);
}

#[test]
fn a_checkpoint_of_a_lane_is_below_its_first_record_that_is_not_done() {
    let mut fixture = Fixture::begun(2);
    fixture.bring(vec![read(1, 0), read(2, 1), read(3, 1), read(4, 1)], 0);
    let (zero, first, _) = fixture.sent(0).unwrap();
    let (one, second, _) = fixture.sent(0).unwrap();
    assert_eq!(fixture.commit(), None);
    let third = second.records[1].offset;
    fixture.finish(one, second, AttemptOutcome::Named([third].into()), 0);
    assert_eq!(lanes(fixture.commit().as_ref()), [None, Some(2)]);
    fixture.finish(zero, first, AttemptOutcome::Handled, 0);
    // An idle lane is done up to the last record that was read.
    assert_eq!(lanes(fixture.commit().as_ref()), [Some(4), Some(2)]);
    // The lane that becomes busy again keeps its checkpoint.
    fixture.bring(vec![read(5, 0)], 0);
    assert_eq!(fixture.commit(), None);
}

#[test]
fn records_that_the_filters_exclude_are_done_when_they_are_read() {
    let mut fixture = Fixture::begun(1);
    fixture.bring(vec![filtered(1), filtered(2)], 0);
    assert_eq!(lanes(fixture.commit().as_ref()), [Some(2)]);
    fixture.bring(vec![filtered(3), read(4, 0), filtered(5)], 0);
    assert_eq!(lanes(fixture.commit().as_ref()), [Some(3)]);
    assert_eq!(fixture.handle_all(0), [[4]]);
    assert_eq!(fixture.durable(), [Some(5)]);
}

#[test]
fn nothing_starts_while_a_checkpoint_is_not_durable() {
    let mut fixture = Fixture::new(None, StartAt::TrimHorizon, 1);
    assert_eq!(fixture.fetch(), None);
    fixture.commit();
    fixture.bring(vec![filtered(1), read(2, 0)], 0);
    let checkpoint = fixture.shard.commit().unwrap();
    let (batching, rules) = (fixture.batching.clone(), fixture.rules.clone());
    assert!(fixture.shard.take(&batching, &rules, 0).is_none());
    fixture.shard.committed(checkpoint);
    assert!(fixture.shard.take(&batching, &rules, 0).is_some());
}

#[test]
fn a_closed_shard_is_complete_when_every_record_is_done() {
    let mut fixture = Fixture::begun(1);
    fixture.batching.window = Duration::from_secs(300);
    fixture.fetch().unwrap();
    fixture.shard.fetched(vec![read(1, 0)], None, 0, 0);
    assert_eq!(fixture.fetch(), None);
    fixture.commit();
    assert!(!fixture.shard.is_complete());
    // No further record comes, so the batch does not wait for its window.
    assert_eq!(fixture.handle_all(0), [[1]]);
    assert!(fixture.shard.is_complete());
}

#[test]
fn records_that_are_too_old_are_not_sent() {
    let mut fixture = Fixture::begun(1);
    fixture.rules.oldest = Some(Duration::from_secs(60));
    fixture.bring(vec![read(1, 0), read(2, 0), read(3, 0)], 0);
    let Some((lane, Work::Send(Taken { batch, too_old }))) = fixture.take(62_500) else {
        panic!("nothing is due");
    };
    assert_eq!(sequences(&too_old), [1, 2]);
    assert_eq!(sequences(&batch.records), [3]);
    fixture.finish(lane, batch, AttemptOutcome::Failed(Failure::Function), 62_500);
    // The retry finds the record too old.
    let Some((_, Work::Send(Taken { batch, too_old }))) = fixture.take(70_000) else {
        panic!("nothing is due");
    };
    assert_eq!((sequences(&too_old), batch.records), (vec![3], Vec::new()));
}

#[test]
fn the_oldest_record_is_the_first_that_is_not_done() {
    let mut fixture = Fixture::begun(2);
    assert_eq!(fixture.shard.oldest(), None);
    fixture.bring(vec![read(1, 0), read(2, 1)], 0);
    assert_eq!(fixture.shard.oldest(), Some(SECOND));
    let (lane, batch, _) = fixture.sent(0).unwrap();
    assert_eq!(fixture.shard.oldest(), Some(SECOND));
    fixture.finish(lane, batch, AttemptOutcome::Handled, 0);
    assert_eq!(fixture.shard.oldest(), Some(2 * SECOND));
}
