//! The time of receipt of a record from another producer: its Kafka timestamp, if the record can have
//! arrived then.
//!
//! Producers write any timestamp: none, 0, seconds, microseconds, or the time of a clock that is years
//! off. A timestamp counts only if it is plausible for the invocation that takes the record: not before
//! the oldest record that the topic can hold, and not in the future. Otherwise the time of the invocation
//! counts. The decision is stored in the letter and the buffer, so that a replay decides the same.
//!
//! - `ingested_at` is never later than the invocation. Every decision uses this time.
//! - `received_at` is a time that a redelivery repeats. An event without a time of its own gets this time.
//!   A record with an implausible timestamp has no `received_at`: each delivery has another time of
//!   invocation, so each delivery would make another event.
//!
//! Clocks of brokers and producers may be slightly ahead ([`SKEW_SECONDS`]). A redelivery repeats such a
//! timestamp, so the timestamp counts; only `ingested_at` is limited to the time of the invocation.

use std::time::Duration;

use crate::base::time::Timestamp;
use crate::base::variables::{Misconfigured, Variables};
use crate::intake::record::Source;

/// Maximum lead of a plausible timestamp over the invocation.
pub const SKEW_SECONDS: i64 = 5 * 60;

const HOUR_SECONDS: i64 = 60 * 60;
/// Kafka deletes whole segments with a delay, so a record outlives the retention of its topic.
const SLACK_SECONDS: i64 = 24 * HOUR_SECONDS;
const WEEK_HOURS: u32 = 7 * 24;
/// Ten years, for topics that keep all records.
const MOST_HOURS: u32 = 10 * 365 * 24;

/// The retention of the topics that are read: the longest of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicRetention {
    hours: u32,
}

/// The two times of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamps {
    /// A time of receipt that a redelivery repeats, if the source has one.
    pub received_at: Option<Timestamp>,
    /// When the record entered the system.
    pub ingested_at: Timestamp,
}

/// The circumstances in which records are taken, or discarded by their event source.
#[derive(Clone, Copy, Debug)]
pub struct Receipt {
    /// The time of the invocation, or of the discard.
    pub now: Timestamp,
    /// The retention of the topics, which limits the age of a record.
    pub retention: TopicRetention,
}

impl TopicRetention {
    /// The default of Kafka, of `infra/streaming.yaml`, and of the event log of the local host.
    pub const WEEK: Self = Self { hours: WEEK_HOURS };
    /// The longest retention that can be configured.
    pub const LONGEST: Self = Self { hours: MOST_HOURS };

    /// Reads `DROVER_TOPIC_RETENTION_HOURS`; a week if the variable is not set.
    ///
    /// # Errors
    /// The value is not a number of hours from 1 to ten years.
    pub fn read<F>(variables: &Variables<F>) -> Result<Self, Misconfigured>
    where
        F: Fn(&str) -> Option<String>,
    {
        const NAME: &str = "DROVER_TOPIC_RETENTION_HOURS";
        let hours = variables.number(NAME, WEEK_HOURS, 1..=MOST_HOURS)?;
        Ok(Self { hours })
    }

    /// A retention of this many hours.
    ///
    /// # Errors
    /// The number is 0, or more than ten years.
    pub fn of_hours(hours: u32) -> Result<Self, String> {
        if (1..=MOST_HOURS).contains(&hours) {
            return Ok(Self { hours });
        }
        Err(format!("topics hold records for 1 to {MOST_HOURS} hours"))
    }

    /// The retention as a duration.
    pub fn duration(self) -> Duration {
        Duration::from_secs(u64::from(self.hours) * 60 * 60)
    }

    /// The greatest age of a record that a topic still holds, in seconds.
    pub fn oldest_seconds(self) -> i64 {
        i64::from(self.hours) * HOUR_SECONDS + SLACK_SECONDS
    }
}

impl Receipt {
    /// The times of a record that the invocation takes.
    pub fn stamps(&self, source: &Source) -> Stamps {
        let received_at = source.stamped_at().filter(|stamp| self.is_plausible(*stamp));
        let ingested_at = received_at.map_or(self.now, |stamp| stamp.min(self.now));
        Stamps { received_at, ingested_at }
    }

    fn is_plausible(&self, stamp: Timestamp) -> bool {
        let oldest = self.now.plus_seconds(-self.retention.oldest_seconds());
        (oldest..=self.now.plus_seconds(SKEW_SECONDS)).contains(&stamp)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    const DAY_MILLIS: i64 = 24 * 60 * 60 * 1_000;
    const NOW: i64 = 1_800_000_000_000;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis).expect("in range")
    }

    fn kafka(timestamp: Option<i64>) -> Source {
        Source::Kafka {
            topic: Arc::from("telemetry"),
            partition: 3,
            offset: 1,
            timestamp,
            element: None,
        }
    }

    fn stamps(timestamp: Option<i64>) -> Stamps {
        let receipt = Receipt { now: at(NOW), retention: TopicRetention::WEEK };
        receipt.stamps(&kafka(timestamp))
    }

    #[test]
    fn a_plausible_timestamp_is_when_the_record_came() {
        for millis in [NOW, NOW - 1, NOW - 5_000, NOW - 8 * DAY_MILLIS] {
            let stamps = stamps(Some(millis));
            assert_eq!((stamps.received_at, stamps.ingested_at), (Some(at(millis)), at(millis)));
        }
    }

    #[test]
    fn an_implausible_timestamp_is_none_and_the_record_came_with_its_invocation() {
        let seconds = NOW / 1_000;
        let (too_old, too_new) = (NOW - 8 * DAY_MILLIS - 1, NOW + 5 * 60 * 1_000 + 1);
        for millis in [-1, 0, 1, seconds, NOW * 1_000, NOW * 1_000_000, too_old, too_new] {
            let stamps = stamps(Some(millis));
            assert_eq!((stamps.received_at, stamps.ingested_at), (None, at(NOW)), "{millis}");
        }
        assert_eq!(stamps(None), stamps(Some(-1)));
    }

    #[test]
    fn a_clock_that_is_a_little_ahead_gives_a_time_that_is_repeated_and_none_to_decide_by() {
        for ahead in [1, 5 * 60 * 1_000] {
            let stamps = stamps(Some(NOW + ahead));
            let expected = (Some(at(NOW + ahead)), at(NOW));
            assert_eq!((stamps.received_at, stamps.ingested_at), expected);
        }
    }

    proptest! {
        #[test]
        fn whatever_the_timestamp_the_times_are_plausible_and_the_same_each_time(
            timestamp in prop_oneof![
                any::<i64>(),
                -10 * DAY_MILLIS..10 * DAY_MILLIS,
                NOW - 10 * DAY_MILLIS..NOW + 10 * DAY_MILLIS,
            ],
        ) {
            let stamped = stamps(Some(timestamp));
            prop_assert_eq!(stamped, stamps(Some(timestamp)));
            prop_assert!((at(NOW - 8 * DAY_MILLIS)..=at(NOW)).contains(&stamped.ingested_at));
            if let Some(received_at) = stamped.received_at {
                prop_assert_eq!(received_at, at(timestamp));
                prop_assert_eq!(stamped.ingested_at, received_at.min(at(NOW)));
            }
        }

        /// A redelivery never makes a second event of a record, because its time is the timestamp or none.
        #[test]
        fn later_deliveries_repeat_the_time_or_have_none(
            timestamp in NOW - 10 * DAY_MILLIS..NOW + 10 * DAY_MILLIS,
            later in 0..20 * DAY_MILLIS,
        ) {
            let (retention, source) = (TopicRetention::WEEK, kafka(Some(timestamp)));
            for now in [at(NOW), at(NOW + later)] {
                let received_at = Receipt { now, retention }.stamps(&source).received_at;
                prop_assert!(received_at.is_none_or(|received| received == at(timestamp)));
            }
        }
    }

    #[test]
    fn the_variable_is_a_number_of_hours() {
        let read = |text: Option<&str>| {
            let text = text.map(str::to_owned);
            TopicRetention::read(&Variables(move |_: &str| text.clone()))
        };
        assert_eq!(read(None), Ok(TopicRetention::WEEK));
        assert_eq!(read(Some("168")), Ok(TopicRetention::WEEK));
        assert_eq!(read(Some("87600")), Ok(TopicRetention::LONGEST));
        for wrong in ["0", "-1", "87601", "7d"] {
            let fault = read(Some(wrong)).expect_err("refused").to_string();
            let expected = format!(
                "DROVER_TOPIC_RETENTION_HOURS must be a number from 1 to 87600: value=`{wrong}`"
            );
            assert_eq!(fault, expected);
        }
    }
}
