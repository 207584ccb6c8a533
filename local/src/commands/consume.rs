//! `drover consume TOPIC`: prints the records of a topic: of a feed, of the host's event log, or of a Kafka
//! cluster. It reads the host's files directly, so the host need not run.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::Args as ClapArgs;
use drover_aws::kafka::NoIdentity;
use drover_core::base::error::Unavailable;
use drover_core::base::time::Timestamp;
use drover_event_log::topic::NoTopicName;
use drover_event_log::{Bounds, Embedded, Log, Position, StoredRecord, TopicName};
use drover_event_source::KafkaLog;
use futures_util::future::try_join_all;

use self::render::{Layout, line};
use super::DataArg;
use super::cluster::{ClusterArgs, bootstrap};
use super::signal::Signal;
use crate::event_log::FEEDS_FILE;
use crate::mapping::STREAM_FILE;

mod render;

/// The maximum size of one fetch.
const FETCH_RECORDS: usize = 1_000;
const FETCH_BYTES: usize = 4 * 1024 * 1024;
/// How long a fetch waits for a new record with `--follow`.
const WAIT: Duration = Duration::from_millis(500);

/// Print the records of a topic, partition by partition: of a feed such as drover.settled, or of the event
/// log
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    /// The topic
    topic: String,
    /// The first record: beginning, end, or the first one that was written at or after a time such as
    /// 2026-11-21T06:00:00Z
    #[arg(long, value_name = "PLACE", default_value = "beginning")]
    from: From,
    /// Wait for new records, until Ctrl-C
    #[arg(long)]
    follow: bool,
    /// Exit after this many records
    #[arg(long, value_name = "RECORDS")]
    count: Option<usize>,
    /// Print each record as a line of JSON with its partition, offset, timestamp, key, headers and value
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataArg,
    /// Read from a Kafka cluster instead of the host's files
    #[arg(long, value_name = "HOST:PORT", value_parser = bootstrap)]
    kafka: Option<String>,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// The first record to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    Beginning,
    End,
    Since(Timestamp),
}

impl FromStr for From {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "beginning" => Ok(Self::Beginning),
            "end" => Ok(Self::End),
            time => Timestamp::parse_rfc3339(time)
                .map(Self::Since)
                .ok_or("expected beginning, end, or a time such as 2026-11-21T06:00:00Z"),
        }
    }
}

/// Why no records, or not all of them, were printed.
#[derive(Debug, thiserror::Error)]
pub enum ConsumeError {
    /// The topic name is invalid.
    #[error(transparent)]
    Topic(#[from] NoTopicName),
    /// The topic does not exist.
    #[error("the topic does not exist: topic=`{topic}` topics=`{known}`")]
    NoTopic {
        /// The topic.
        topic: TopicName,
        /// The topics that exist, separated by commas.
        known: String,
    },
    /// Cluster flags without a cluster.
    #[error("--kafka-user, --kafka-iam and --kafka-tls require a Kafka cluster: --kafka HOST:PORT")]
    NoCluster,
    /// The host has no files yet.
    #[error("no event log and no feeds yet, start the host first: folder=`{folder}`")]
    NoFiles {
        /// The data folder.
        folder: PathBuf,
    },
    /// The credentials for the cluster are unavailable.
    #[error(transparent)]
    Identity(#[from] NoIdentity),
    /// The log cannot be opened or read.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The records cannot be printed.
    #[error("cannot print the records")]
    Output(#[from] std::io::Error),
    /// Without signals, the command could not be stopped.
    #[error("cannot listen for signals")]
    Signals(#[source] std::io::Error),
}

/// Prints the records.
///
/// # Errors
/// [`ConsumeError`].
pub async fn run(args: &Args, out: &mut impl Write) -> Result<(), ConsumeError> {
    let signal = Signal::listen().map_err(ConsumeError::Signals)?;
    let topic = TopicName::parse(&args.topic)?;
    let printing = async {
        match &args.kafka {
            Some(bootstrap) => {
                let config = args.cluster.config(bootstrap, topic.as_str()).await?;
                print(args, &topic, &KafkaLog::connect(config.cluster).await?, out).await
            }
            None if args.cluster.any() => Err(ConsumeError::NoCluster),
            None => print(args, &topic, &host_log(&args.data.data, &topic).await?, out).await,
        }
    };
    tokio::select! {
        printed = printing => printed,
        () = signal.received() => Ok(()),
    }
}

/// The file of the host that has the topic; a topic that does not exist yet may become one of a feed.
async fn host_log(folder: &Path, topic: &TopicName) -> Result<Embedded, ConsumeError> {
    let files = [FEEDS_FILE, STREAM_FILE].map(|file| folder.join(file));
    let mut first = None;
    for file in files.iter().filter(|file| file.exists()) {
        let log = Embedded::open(file, None)?;
        if !log.partitions(topic.as_str()).await?.is_empty() {
            return Ok(log);
        }
        first = first.or(Some(log));
    }
    first.ok_or_else(|| ConsumeError::NoFiles { folder: folder.to_owned() })
}

async fn print(
    args: &Args,
    topic: &TopicName,
    log: &impl Log,
    out: &mut impl Write,
) -> Result<(), ConsumeError> {
    let layout = if args.json { Layout::Json } else { Layout::Text };
    let mut offsets = starts(args, topic, log).await?;
    // Without --follow: the partitions whose end at the start has not been reached.
    let mut open: BTreeSet<i32> = offsets.keys().copied().collect();
    let mut ends: BTreeMap<i32, i64> = BTreeMap::new();
    let mut left = args.count.unwrap_or(usize::MAX);
    while left > 0 && (args.follow || !open.is_empty()) {
        let wait = if args.follow && ends.len() == offsets.len() { WAIT } else { Duration::ZERO };
        let bounds = Bounds { records: FETCH_RECORDS, bytes: FETCH_BYTES, wait };
        let wanted =
            offsets.iter().filter(|(partition, _)| args.follow || open.contains(partition));
        let fetches = wanted.map(|(&partition, &offset)| async move {
            let from = Position { topic: topic.as_str(), partition, offset };
            log.fetch(from, bounds).await.map(|fetched| (partition, fetched))
        });
        for (partition, fetched) in try_join_all(fetches).await? {
            let end = *ends.entry(partition).or_insert(fetched.end);
            let is_wanted = |record: &&StoredRecord| match args.from {
                From::Since(time) => record.timestamp >= time.micros().div_euclid(1_000),
                From::Beginning | From::End => true,
            };
            let before_end = |record: &&StoredRecord| args.follow || record.offset < end;
            let records = fetched.records.iter().filter(is_wanted).filter(before_end).take(left);
            for record in records {
                writeln!(out, "{}", line(layout, partition, record))?;
                left -= 1;
            }
            out.flush()?;
            offsets.insert(partition, fetched.next);
            if fetched.next >= end {
                open.remove(&partition);
            }
        }
    }
    Ok(())
}

/// The first offset of each partition. With `--follow`, waits for a topic that does not exist yet.
async fn starts(
    args: &Args,
    topic: &TopicName,
    log: &impl Log,
) -> Result<BTreeMap<i32, i64>, ConsumeError> {
    let (mut partitions, mut from) = (log.partitions(topic.as_str()).await?, args.from);
    if partitions.is_empty() && !args.follow {
        let known = log.topics().await?.join(", ");
        return Err(ConsumeError::NoTopic { topic: topic.clone(), known });
    }
    while partitions.is_empty() {
        // Every record of it is new.
        from = From::Beginning;
        tokio::time::sleep(WAIT).await;
        partitions = log.partitions(topic.as_str()).await?;
    }
    let mut starts = BTreeMap::new();
    for partition in partitions {
        let offset = match from {
            From::Beginning | From::Since(_) => 0,
            From::End => {
                let from = Position { topic: topic.as_str(), partition, offset: 0 };
                let nothing = Bounds { records: 1, bytes: 1, wait: Duration::ZERO };
                log.fetch(from, nothing).await?.end
            }
        };
        starts.insert(partition, offset);
    }
    Ok(starts)
}
