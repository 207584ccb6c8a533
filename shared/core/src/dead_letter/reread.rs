//! Reading a stream again by offsets: how records come back that the event source gave up, of which
//! it says only where they stand.

use crate::dead_letter::envelope::Content;
use crate::dead_letter::origin::Offsets;
use crate::intake::record::{Receipt, Record, Source};

/// Records of one answer.
pub const RECORDS: usize = 500;
/// Bytes of keys, values and headers of one answer; a first record is given whatever its size.
pub const BYTES: usize = 4 * 1024 * 1024;

/// What a stream gave again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Again {
    /// In the order of their offsets, none outside those that were asked for.
    pub records: Vec<Record>,
    /// Where to go on; behind the last offset: there is nothing more.
    pub next: i64,
    /// Of the offsets before `next`, those that the partition does not hold any more. Offsets that
    /// never were a record's (markers of transactions, compacted ones) are not among them.
    pub lost: u64,
}

impl Again {
    /// What there is to say of `offsets`, when the partition holds `start..end` and gave these
    /// records, of which the next one would be at `next`.
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

/// A record as the event source brought it when it was given up.
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
    fn what_is_held_is_read_to_the_last_offset() {
        check(5, 9, 0..100, 8, (8, 0));
        check(5, 9, 0..100, 40, (10, 0));
        check(5, 9, 5..10, 10, (10, 0));
    }

    #[test]
    fn what_expired_is_lost_and_the_rest_is_read() {
        check(5, 9, 7..100, 9, (9, 2));
        check(5, 9, 7..100, 0, (7, 2));
        check(5, 9, 50..100, 50, (10, 5));
    }

    #[test]
    fn what_a_topic_that_was_made_anew_does_not_have_is_lost() {
        check(5, 9, 0..7, 7, (10, 3));
        check(5, 9, 0..7, 6, (6, 0));
        check(5, 9, 0..3, 3, (10, 5));
        check(5, 9, 0..0, 0, (10, 5));
    }
}
