//! Corrects impossible receipt times of letters: an earlier version trusted every Kafka timestamp,
//! and a hand-written message may contain any time. Such a letter uses the time of its first
//! rejection, which was the invocation's time. That time is stored, so every replay decides the
//! same.
//!
//! A receipt time from a first attempt is kept, however long the record waited in the buffer or in
//! its batch's letter before the rejection. Only a time that no wait explains is corrected.

use super::{CHUNK_GRACE_DAYS, DAY_SECONDS, LETTER_DAYS, Letter};
use crate::base::time::Timestamp;
use crate::intake::record::{SKEW_SECONDS, TopicRetention};

/// SQS's maximum retention.
const QUEUE_DAYS: i64 = 14;
/// Maximum time in the dead-letter queue, including a move back from its failed queue.
const UNFILED_DAYS: i64 = 2 * QUEUE_DAYS;
/// Maximum time between a record's leaving its topic and its rejection: in the buffer, or in its
/// batch's letter, which DynamoDB deletes some days late.
const WAITING_DAYS: i64 = QUEUE_DAYS + LETTER_DAYS + CHUNK_GRACE_DAYS;

impl Letter {
    /// Corrects impossible receipt times.
    pub fn restamp(&mut self, retention: TopicRetention) {
        let refused_at = self.refused_at();
        let oldest = retention.oldest_seconds() + WAITING_DAYS * DAY_SECONDS;
        self.received_at = self.received_at.filter(|at| is_before(*at, refused_at, oldest));
        if !is_before(self.ingested_at, refused_at, oldest) {
            self.ingested_at = refused_at;
        }
    }

    /// The time of the first rejection, or the time of storing if the former is impossible.
    fn refused_at(&self) -> Timestamp {
        let possible = is_before(self.rejected_at, self.filed_at, UNFILED_DAYS * DAY_SECONDS);
        if possible { self.rejected_at } else { self.filed_at }
    }
}

/// Whether a time is at most this many seconds before another time. Clocks may differ slightly.
fn is_before(at: Timestamp, other: Timestamp, most_seconds: i64) -> bool {
    (other.plus_seconds(-most_seconds)..=other.plus_seconds(SKEW_SECONDS)).contains(&at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::replay::filing::{Received, read};

    const REFUSED: i64 = 1_800_000_000;
    const DAY: i64 = DAY_SECONDS;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000).expect("in range")
    }

    fn letter(received: Option<i64>, ingested: i64, rejected: i64, filed: i64) -> Letter {
        let received_at = received.map(at);
        let filing = read(&Received { message_id: "m", body: "?", sent_at: None }, at(filed));
        let (ingested_at, rejected_at) = (at(ingested), at(rejected));
        Letter { received_at, ingested_at, rejected_at, ..filing.expect("filed").letter }
    }

    /// The corrected receipt times of a letter that was rejected at [`REFUSED`].
    fn restamped(received: Option<i64>, ingested: i64) -> (Option<Timestamp>, Timestamp) {
        let mut letter = letter(received, ingested, REFUSED, REFUSED + 2);
        letter.restamp(TopicRetention::WEEK);
        (letter.received_at, letter.ingested_at)
    }

    #[test]
    fn an_impossible_timestamp_of_an_earlier_version_is_corrected() {
        let mended = (None, at(REFUSED));
        // Zero, seconds and microseconds, misread as milliseconds.
        for stamp in [0, REFUSED / 1_000, 250_000_000_000] {
            assert_eq!(restamped(Some(stamp), stamp), mended);
        }
        assert_eq!(restamped(Some(250_000_000_000), REFUSED), mended);
        assert_eq!(restamped(None, 0), mended);
    }

    #[test]
    fn the_receipt_time_of_a_first_attempt_is_kept_however_long_the_record_waited() {
        let in_the_topic = 8 * DAY;
        for waited in [0, 14 * DAY, 90 * DAY] {
            let stamp = REFUSED - in_the_topic - waited;
            assert_eq!(restamped(Some(stamp), stamp), (Some(at(stamp)), at(stamp)));
        }
        assert_eq!(restamped(None, REFUSED), (None, at(REFUSED)));
        let ahead = REFUSED + SKEW_SECONDS;
        assert_eq!(restamped(Some(ahead), REFUSED), (Some(at(ahead)), at(REFUSED)));
    }

    #[test]
    fn an_impossible_rejection_time_is_replaced_by_the_time_of_storing() {
        for rejected in [0, REFUSED + DAY, 250_000_000_000] {
            let mut letter = letter(Some(0), 0, rejected, REFUSED);
            letter.restamp(TopicRetention::WEEK);
            assert_eq!((letter.received_at, letter.ingested_at), (None, at(REFUSED)), "{rejected}");
        }
    }

    proptest! {
        #[test]
        fn correcting_a_letter_is_idempotent(
            received in proptest::option::of(-62_000_000_000_i64..253_000_000_000),
            ingested in -62_000_000_000_i64..253_000_000_000,
            rejected in prop_oneof![-62_000_000_000_i64..253_000_000_000, REFUSED - DAY..REFUSED],
        ) {
            let mut once = letter(received, ingested, rejected, REFUSED);
            once.restamp(TopicRetention::WEEK);
            prop_assert!(once.ingested_at <= once.filed_at.plus_seconds(2 * SKEW_SECONDS));
            prop_assert!(once.ingested_at >= at(REFUSED - 200 * DAY));
            let mut twice = once.clone();
            twice.restamp(TopicRetention::WEEK);
            prop_assert_eq!(once, twice);
        }
    }
}
