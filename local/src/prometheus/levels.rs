//! Gauges that are read at each scrape: the waiting messages of the queues, and the lag of the event source.
//!
//! A value that cannot be read is `NaN`, which means unknown in Prometheus; zero would mean that nothing
//! waits. Each scrape creates its own gauges, so that concurrent scrapes do not mix and a removed
//! partition leaves no series.

use std::collections::BTreeMap;

use drover_core::base::error::Unavailable;
use drover_core::base::time::Timestamp;
use drover_local_sqs::Sqs;
use futures_util::future::BoxFuture;
use prometheus::proto::MetricFamily;
use prometheus::{Error, Gauge, GaugeVec, IntCounterVec, Opts, Registry};

use crate::ports::{BUFFER, DEAD_LETTERS};

/// One partition that the event source reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartitionLevel {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    /// The number of unprocessed records.
    pub(crate) lag: u64,
    /// The timestamp of the oldest unprocessed record, if it has one.
    pub(crate) oldest: Option<Timestamp>,
}

/// Reads the current state of every partition of the event source.
pub(crate) type ReadPartitions =
    Box<dyn Fn() -> BoxFuture<'static, Result<Vec<PartitionLevel>, Unavailable>> + Send + Sync>;

/// The sources that are read at each scrape.
pub(crate) struct Levels {
    /// The queues.
    pub(crate) sqs: Sqs,
    /// The event source; a host without one has no partitions.
    pub(crate) partitions: ReadPartitions,
    /// The time of a scrape.
    pub(crate) now: Box<dyn Fn() -> Timestamp + Send + Sync>,
}

impl Levels {
    pub(super) async fn families(&self) -> Result<Vec<MetricFamily>, Error> {
        let (letters, buffered, partitions) =
            tokio::join!(self.waiting(DEAD_LETTERS), self.waiting(BUFFER), (self.partitions)());
        let gauges = Gauges(Registry::new());
        gauges.set("dead_letters_waiting", "Messages in the dead-letter queue", letters)?;
        gauges.set("buffer_waiting", "Messages in the buffer queue", buffered)?;
        let partitions = partitions.inspect_err(|error| {
            tracing::warn!(error = error as &dyn std::error::Error, "event log lag unknown");
        });
        gauges.set_requests(self.sqs.requests())?;
        gauges.set_stream(partitions.ok().as_deref(), (self.now)())?;
        Ok(gauges.0.gather())
    }

    async fn waiting(&self, queue: &'static str) -> f64 {
        match self.sqs.levels(queue).await {
            Ok(levels) => levels.waiting as f64,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(queue, error, "queue size unknown");
                f64::NAN
            }
        }
    }
}

/// The gauges of one scrape.
struct Gauges(Registry);

impl Gauges {
    fn set(&self, name: &str, help: &str, value: f64) -> Result<(), Error> {
        let gauge = Gauge::new(name, help)?;
        gauge.set(value);
        self.0.register(Box::new(gauge))
    }

    /// Counters, although this module has gauges: the queues count the requests themselves.
    fn set_requests(&self, requests: BTreeMap<&'static str, u64>) -> Result<(), Error> {
        let help = "Requests to SQS over HTTP, which AWS would charge for";
        let counters = IntCounterVec::new(Opts::new("sqs_requests_total", help), &["action"])?;
        for (action, count) in requests {
            counters.get_metric_with_label_values(&[action])?.inc_by(count);
        }
        self.0.register(Box::new(counters))
    }

    /// `None`: the partitions are unknown.
    fn set_stream(
        &self,
        partitions: Option<&[PartitionLevel]>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let assigned = partitions.map_or(f64::NAN, |partitions| partitions.len() as f64);
        self.set("assigned_partitions_count", "Partitions that the event source reads", assigned)?;
        let tether = partitions.map_or(f64::NAN, |partitions| tether_seconds(partitions, now));
        let help = "Age of the oldest unprocessed record, in seconds";
        self.set("tether_length_seconds", help, tether)?;

        let help = "Unprocessed records of a partition";
        let lags = GaugeVec::new(Opts::new("consumer_lag", help), &["topic", "partition"])?;
        for level in partitions.unwrap_or_default() {
            let labels = [level.topic.as_str(), &level.partition.to_string()];
            lags.get_metric_with_label_values(&labels)?.set(level.lag as f64);
        }
        self.0.register(Box::new(lags))
    }
}

/// A record from the future has no age.
fn tether_seconds(partitions: &[PartitionLevel], now: Timestamp) -> f64 {
    let oldest = partitions.iter().filter_map(|level| level.oldest).min();
    oldest.map_or(0.0, |oldest| now.seconds_since(oldest).max(0.0))
}

#[cfg(test)]
mod tests {
    use drover_core::base::error::Reason;
    use tempfile::TempDir;

    use super::*;
    use crate::setup;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_millis(second * 1_000).unwrap()
    }

    async fn text(
        folder: &TempDir,
        queues: bool,
        partitions: Result<Vec<PartitionLevel>, Unavailable>,
    ) -> String {
        let sqs = Sqs::open(&folder.path().join("sqs.db")).unwrap();
        if queues {
            setup::queues(&sqs).await.unwrap();
        }
        let partitions: ReadPartitions = Box::new(move || {
            let partitions = partitions.clone();
            Box::pin(async move { partitions })
        });
        let levels = Levels { sqs, partitions, now: Box::new(|| second(100)) };
        let families = levels.families().await.unwrap();
        prometheus::TextEncoder::new().encode_to_string(&families).unwrap()
    }

    fn partition(partition: i32, lag: u64, oldest: Option<Timestamp>) -> PartitionLevel {
        PartitionLevel { topic: "telemetry".to_owned(), partition, lag, oldest }
    }

    fn check(text: &str, expected: &[&str]) {
        for line in expected {
            assert!(text.lines().any(|one| one == *line), "{line}: {text}");
        }
    }

    #[tokio::test]
    async fn the_tether_is_as_long_as_the_oldest_record_is_old() {
        let folder = tempfile::tempdir().unwrap();
        let behind = partition(0, 7, Some(second(60)));
        let level = partition(1, 0, None);
        let ahead = partition(2, 1, Some(second(200)));
        let text = text(&folder, true, Ok(vec![behind, level, ahead])).await;
        check(
            &text,
            &[
                "assigned_partitions_count 3",
                "tether_length_seconds 40",
                "consumer_lag{partition=\"0\",topic=\"telemetry\"} 7",
                "consumer_lag{partition=\"1\",topic=\"telemetry\"} 0",
                "dead_letters_waiting 0",
                "buffer_waiting 0",
            ],
        );
    }

    #[tokio::test]
    async fn where_nothing_is_behind_the_tether_has_no_length() {
        let folder = tempfile::tempdir().unwrap();
        let ahead = partition(0, 1, Some(second(200)));
        check(&text(&folder, true, Ok(vec![ahead])).await, &["tether_length_seconds 0"]);
        let nothing = text(&folder, true, Ok(Vec::new())).await;
        check(&nothing, &["tether_length_seconds 0", "assigned_partitions_count 0"]);
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_not_a_number() {
        let folder = tempfile::tempdir().unwrap();
        let gone = Err(Unavailable::new(Reason::Unreachable, "the stream is gone"));
        let text = text(&folder, false, gone).await;
        check(
            &text,
            &[
                "assigned_partitions_count NaN",
                "tether_length_seconds NaN",
                "dead_letters_waiting NaN",
                "buffer_waiting NaN",
            ],
        );
        assert!(!text.contains("consumer_lag"), "{text}");
    }
}
