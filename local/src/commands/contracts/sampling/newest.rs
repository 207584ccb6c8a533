//! The newest records of a topic, partition by partition, in bounded steps.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use drover_core::base::error::Unavailable;
use drover_event_log::{Bounds, Log, Position, StoredRecord};
use tokio::time::Instant;

/// The bounds of one step.
const STEP: Bounds =
    Bounds { records: 500, bytes: 4 * 1024 * 1024, wait: Duration::from_millis(500) };
/// Asks only for the offsets that a partition holds.
const OFFSETS: Bounds = Bounds { records: 1, bytes: 1, wait: Duration::ZERO };

/// Offsets of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Slice {
    partition: i32,
    offsets: Range<i64>,
}

/// Reads the newest records of a topic.
pub(super) struct Newest<'a, L> {
    log: L,
    topic: &'a str,
    slices: VecDeque<Slice>,
    until: Instant,
}

impl<'a, L: Log> Newest<'a, L> {
    /// The newest records that the topic holds now, at most `last`, over all partitions. `None`: the topic does
    /// not exist.
    pub(super) async fn of(
        log: L,
        topic: &'a str,
        last: u64,
        until: Instant,
    ) -> Result<Option<Self>, Unavailable> {
        let mut held = Vec::new();
        for partition in log.partitions(topic).await? {
            let fetched = log.fetch(Position { topic, partition, offset: 0 }, OFFSETS).await?;
            held.push(Slice { partition, offsets: fetched.start..fetched.end });
        }
        if held.is_empty() {
            return Ok(None);
        }
        let slices = newest(held, last).into();
        Ok(Some(Self { log, topic, slices, until }))
    }

    /// Some records of one partition; `None` after the last, or when the time is over.
    pub(super) async fn next(&mut self) -> Result<Option<(i32, Vec<StoredRecord>)>, Unavailable> {
        while let Some(slice) = self.slices.front_mut() {
            if slice.offsets.is_empty() {
                self.slices.pop_front();
                continue;
            }
            if Instant::now() >= self.until {
                return Ok(None);
            }
            let Slice { partition, offsets } = slice;
            let from = Position { topic: self.topic, partition: *partition, offset: offsets.start };
            let fetched = self.log.fetch(from, STEP).await?;
            let partition = *partition;
            let wanted = fetched.records.into_iter().filter(|one| offsets.contains(&one.offset));
            let records: Vec<StoredRecord> = wanted.collect();
            // A topic that was recreated meanwhile may hold less.
            offsets.end = offsets.end.min(fetched.end);
            offsets.start = offsets.start.max(fetched.next);
            if !records.is_empty() {
                return Ok(Some((partition, records)));
            }
        }
        Ok(None)
    }

    /// Whether every record was read before the time was over.
    pub(super) fn is_complete(&self) -> bool {
        self.slices.iter().all(|slice| slice.offsets.is_empty())
    }
}

/// The ends of the partitions, of at most `last` offsets together. Partitions with enough offsets have equal
/// shares.
fn newest(mut held: Vec<Slice>, last: u64) -> Vec<Slice> {
    let length = |offsets: &Range<i64>| offsets.end.saturating_sub(offsets.start).max(0);
    held.sort_by_key(|slice| (length(&slice.offsets), slice.partition));
    let mut left = i64::try_from(last).unwrap_or(i64::MAX);
    let mut partitions = i64::try_from(held.len()).unwrap_or(i64::MAX);
    for Slice { offsets, .. } in &mut held {
        let share = length(offsets).min(left / partitions.max(1));
        offsets.start = offsets.end.saturating_sub(share);
        left -= share;
        partitions -= 1;
    }
    held.sort_by_key(|slice| slice.partition);
    held
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;

    fn check(held: &[Range<i64>], last: u64, expected: &[Range<i64>]) {
        let slices = |ranges: &[Range<i64>]| -> Vec<Slice> {
            let numbered = (0..).zip(ranges.to_vec());
            numbered.map(|(partition, offsets)| Slice { partition, offsets }).collect()
        };
        assert_eq!(newest(slices(held), last), slices(expected));
    }

    #[test]
    fn partitions_share_the_number_and_short_ones_leave_their_rest_to_others() {
        check(from_ref(&(0..100)), 10, from_ref(&(90..100)));
        check(from_ref(&(5..8)), 10, from_ref(&(5..8)));
        check(&[0..100, 0..100], 11, &[95..100, 94..100]);
        check(&[0..100, 7..9, 0..0], 10, &[92..100, 7..9, 0..0]);
        check(&[0..2, 0..3, 0..4], 100, &[0..2, 0..3, 0..4]);
        check(&[0..100, 0..100, 0..100], 1, &[100..100, 100..100, 99..100]);
    }
}
