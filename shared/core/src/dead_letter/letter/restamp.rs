//! Letters whose time of receipt cannot be true: an earlier version believed every Kafka timestamp,
//! and a person may write anything. They are decided by the time of the first refusal, which was the
//! time of its invocation. That time is stored, so every replay decides the same.
//!
//! What a first attempt stamped is left alone however long the record waited until it was refused,
//! in the buffer or in the letter of its batch: only what no wait explains is mended.

use super::{CHUNK_GRACE_DAYS, DAY_SECONDS, LETTER_DAYS, Letter};
use crate::base::time::Timestamp;
use crate::intake::record::{SKEW_SECONDS, TopicRetention};

/// SQS keeps no message for longer.
const QUEUE_DAYS: i64 = 14;
/// In the dead-letter queue, and once more where the message is moved back from the queue of its own
/// failures.
const UNFILED_DAYS: i64 = 2 * QUEUE_DAYS;
/// From when a record left its topic until it was refused: in the buffer, or with its batch in a
/// letter, which DynamoDB deletes some days late.
const WAITING_DAYS: i64 = QUEUE_DAYS + LETTER_DAYS + CHUNK_GRACE_DAYS;

impl Letter {
    /// Mends times of receipt that cannot be true.
    pub fn restamp(&mut self, retention: TopicRetention) {
        let refused_at = self.refused_at();
        let oldest = retention.oldest_seconds() + WAITING_DAYS * DAY_SECONDS;
        self.received_at = self.received_at.filter(|at| is_before(*at, refused_at, oldest));
        if !is_before(self.ingested_at, refused_at, oldest) {
            self.ingested_at = refused_at;
        }
    }

    /// When it was refused first; when it was filed, where that cannot be true.
    fn refused_at(&self) -> Timestamp {
        let possible = is_before(self.rejected_at, self.filed_at, UNFILED_DAYS * DAY_SECONDS);
        if possible { self.rejected_at } else { self.filed_at }
    }
}

/// Whether a time is before another, by so many seconds at most. Two clocks may differ a little.
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

    /// The receipt by which a letter is decided that was refused at [`REFUSED`], and filed then.
    fn restamped(received: Option<i64>, ingested: i64) -> (Option<Timestamp>, Timestamp) {
        let mut letter = letter(received, ingested, REFUSED, REFUSED + 2);
        letter.restamp(TopicRetention::WEEK);
        (letter.received_at, letter.ingested_at)
    }

    #[test]
    fn what_an_earlier_version_believed_of_a_timestamp_is_mended() {
        let mended = (None, at(REFUSED));
        // Zero, seconds and microseconds, taken for milliseconds.
        for stamp in [0, REFUSED / 1_000, 250_000_000_000] {
            assert_eq!(restamped(Some(stamp), stamp), mended);
        }
        assert_eq!(restamped(Some(250_000_000_000), REFUSED), mended);
        assert_eq!(restamped(None, 0), mended);
    }

    #[test]
    fn what_a_first_attempt_stamped_stays_however_long_the_record_waited() {
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
    fn a_time_of_refusal_that_cannot_be_true_gives_way_to_that_of_filing() {
        for rejected in [0, REFUSED + DAY, 250_000_000_000] {
            let mut letter = letter(Some(0), 0, rejected, REFUSED);
            letter.restamp(TopicRetention::WEEK);
            assert_eq!((letter.received_at, letter.ingested_at), (None, at(REFUSED)), "{rejected}");
        }
    }

    proptest! {
        #[test]
        fn a_letter_is_mended_once_whatever_is_in_it(
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
