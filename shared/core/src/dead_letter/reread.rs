//! Rereads the event log by offsets, for discarded records of which the event source reports only
//! offsets.

use crate::dead_letter::envelope::Content;
use crate::dead_letter::origin::Offsets;
use crate::intake::record::{Receipt, Record, Source};

/// Maximum number of records per answer.
pub const RECORDS: usize = 500;
/// Maximum bytes of keys, values and headers per answer. The first record may be larger.
pub const BYTES: usize = 4 * 1024 * 1024;

/// Reread records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Again {
    /// The records in order of offset, all within the requested range.
    pub records: Vec<Record>,
    /// The offset to continue at. After the last requested offset, the range is complete.
    pub next: i64,
    /// Number of offsets before `next` that the partition no longer holds. Offsets without a record
    /// (transaction markers, compacted records) do not count.
    pub lost: u64,
}

impl Again {
    /// The answer for `offsets`, given the partition's offset range, the records read, and the next
    /// offset to read.
    pub fn of(
        offsets: &Offsets,
        held: std::ops::Range<i64>,
        records: Vec<Record>,
        next: i64,
    ) -> Self {
        let behind = offsets.last.saturating_add(1);
        let expired = held.start.min(behind).saturating_sub(offsets.first).max(0);
        let over = held.end <= offsets.last && next >= held.end;
        let (next, missing) = if over {
            (behind, behind.saturating_sub(held.end.max(offsets.first)))
        } else {
            (next.max(offsets.first.saturating_add(expired)).min(behind), 0)
        };
        let lost = expired.saturating_add(missing).min(behind.saturating_sub(offsets.first));
        Self { records, next, lost: u64::try_from(lost).unwrap_or(0) }
    }
}

/// A reread record with the receipt time that it had when it was discarded.
pub fn record(source: Source, content: Content, given_up: Receipt) -> Record {
    let stamps = given_up.stamps(&source);
    content.record(source, stamps)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(first: i64, last: i64, held: std::ops::Range<i64>, next: i64, expected: (i64, u64)) {
        let offsets = Offsets { topic: "t".to_owned(), partition: 0, first, last };
        let again = Again::of(&offsets, held.clone(), Vec::new(), next);
        assert_eq!((again.next, again.lost), expected, "{first}..={last} of {held:?} at {next}");
    }

    #[test]
    fn held_offsets_are_read_to_the_last() {
        check(5, 9, 0..100, 8, (8, 0));
        check(5, 9, 0..100, 40, (10, 0));
        check(5, 9, 5..10, 10, (10, 0));
    }

    #[test]
    fn expired_offsets_are_lost_and_the_rest_is_read() {
        check(5, 9, 7..100, 9, (9, 2));
        check(5, 9, 7..100, 0, (7, 2));
        check(5, 9, 50..100, 50, (10, 5));
    }

    #[test]
    fn offsets_that_a_recreated_topic_does_not_have_are_lost() {
        check(5, 9, 0..7, 7, (10, 3));
        check(5, 9, 0..7, 6, (6, 0));
        check(5, 9, 0..3, 3, (10, 5));
        check(5, 9, 0..0, 0, (10, 5));
    }
}
