//! `drover produce TOPIC [FILE|-]`: writes one record per line, as an external producer would. It
//! writes to the host's event log file directly, so the host need not run, or to a Kafka cluster.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use clap::Args as ClapArgs;
use drover_aws::kafka::{KafkaEventLog, NoIdentity, Placed};
use drover_core::base::error::Unavailable;
use drover_core::base::time::Timestamp;
use drover_core::intake::record::{Record, Source};
use drover_event_log::embedded::{AppendError, RECORD_BYTES, RecordLocation};
use drover_event_log::{Embedded, NewRecord, TopicName};

use super::DataArg;
use super::cluster::{ClusterArgs, bootstrap};
use crate::mapping::STREAM_FILE;

/// The maximum records of one append.
const TOGETHER: usize = 500;
const TOGETHER_BYTES: usize = 4 * 1024 * 1024;
/// The maximum rejected lines that are listed; further lines are only counted.
const NAMED: usize = 20;

/// Write records to the event log, one per line; blank lines are skipped
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    /// The topic; the first record creates it
    topic: String,
    /// A file with one record per line, or - for standard input
    #[arg(default_value = "-")]
    file: PathBuf,
    /// The key of every record, which determines the partition; records without a key go to the
    /// partitions in turn
    #[arg(long)]
    key: Option<String>,
    /// A header of every record; may be repeated
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = header)]
    headers: Vec<(String, Bytes)>,
    #[command(flatten)]
    data: DataArg,
    /// Write to a Kafka cluster instead of the host's event log, for example a stack's cluster; the
    /// topic must exist there
    #[arg(long, value_name = "HOST:PORT", value_parser = bootstrap)]
    kafka: Option<String>,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// Why not every line was written.
#[derive(Debug, thiserror::Error)]
pub enum ProduceError {
    /// The topic name is invalid.
    #[error(transparent)]
    Topic(#[from] drover_event_log::topic::NoTopicName),
    /// The lines cannot be read. Earlier lines are written.
    #[error("cannot read the records: file=`{file}`")]
    Input {
        /// The input file.
        file: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// The data folder cannot be created.
    #[error("cannot use the data folder, choose another one with --data: path=`{path}`")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// The event log failed. Earlier lines may be written.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The event log cannot be opened, or the cluster rejected a record.
    #[error(transparent)]
    Open(#[from] Unavailable),
    /// The credentials for the cluster are unavailable.
    #[error(transparent)]
    Identity(#[from] NoIdentity),
    /// Cluster flags without a cluster.
    #[error("--kafka-user, --kafka-iam and --kafka-tls require a Kafka cluster: --kafka HOST:PORT")]
    NoCluster,
    /// Some lines are too large; all others are written.
    #[error("{}{sent}", refused(.lines, *.more))]
    TooLarge {
        /// The first of these lines, from 1.
        lines: Vec<u64>,
        /// The number of further lines.
        more: u64,
        /// The report about the other lines.
        sent: String,
    },
}

/// Writes the lines and reports the number of records by partition.
///
/// # Errors
/// [`ProduceError`].
pub async fn run(args: &Args) -> Result<String, ProduceError> {
    let topic = TopicName::parse(&args.topic)?;
    let stream = Sink::open(args, &topic).await?;
    let unreadable = |source| ProduceError::Input { file: args.file.clone(), source };
    let mut lines = Lines::new(input(&args.file).map_err(unreadable)?);
    let mut sent = Sent::default();
    let largest = RECORD_BYTES.saturating_sub(new_record(args, Vec::new()).bytes());
    loop {
        let batch = lines.batch(largest).map_err(unreadable)?;
        if batch.is_empty() {
            break;
        }
        let records: Vec<NewRecord> =
            batch.into_iter().map(|value| new_record(args, value)).collect();
        sent.count(&stream.append(&topic, records).await?);
    }
    let sent = sent.shown(&topic);
    match lines.too_large.len() {
        0 => Ok(sent),
        _ => Err(ProduceError::TooLarge { lines: lines.too_large, more: lines.more, sent }),
    }
}

/// The destination of the records.
enum Sink {
    Host(Embedded),
    Kafka(KafkaEventLog),
}

impl Sink {
    async fn open(args: &Args, topic: &TopicName) -> Result<Self, ProduceError> {
        if let Some(bootstrap) = &args.kafka {
            let config = args.cluster.config(bootstrap, topic.as_str()).await?;
            return Ok(Self::Kafka(KafkaEventLog::connect(config).await?));
        }
        if args.cluster.any() {
            return Err(ProduceError::NoCluster);
        }
        let unusable = |source| ProduceError::Folder { path: args.data.data.clone(), source };
        std::fs::create_dir_all(&args.data.data).map_err(unusable)?;
        Ok(Self::Host(Embedded::open(&args.data.data.join(STREAM_FILE), None)?))
    }

    async fn append(
        &self,
        topic: &TopicName,
        records: Vec<NewRecord>,
    ) -> Result<Vec<RecordLocation>, ProduceError> {
        match self {
            Self::Host(log) => Ok(log.append(topic, &records).await?),
            Self::Kafka(stream) => {
                let records: Vec<Record> = records.into_iter().map(record).collect();
                let records: Vec<&Record> = records.iter().collect();
                let results = stream.produce(&records, Timestamp::MAX);
                let place = |placed: Placed| RecordLocation {
                    partition: placed.partition,
                    offset: placed.offset,
                };
                let places = results.await.into_iter().map(|result| result.map(place));
                Ok(places.collect::<Result<_, Unavailable>>()?)
            }
        }
    }
}

/// Converts a record for Kafka. There is no HTTP request, so the source is a placeholder.
fn record(new: NewRecord) -> Record {
    let headers = new.headers.into_iter();
    Record {
        source: Source::Http { request_id: "".into(), index: 0, element: None },
        key: new.key.map(Into::into),
        value: new.value.map(Into::into),
        headers: headers.map(|(name, value)| (name, value.unwrap_or_default().into())).collect(),
        received_at: None,
        ingested_at: Timestamp::from_millis(new.timestamp).unwrap_or(Timestamp::MIN),
    }
}

fn new_record(args: &Args, value: Vec<u8>) -> NewRecord {
    let headers = args.headers.iter();
    NewRecord {
        timestamp: now_millis(),
        key: args.key.clone().map(Bytes::from),
        value: Some(value.into()),
        headers: headers.map(|(name, value)| (name.clone(), Some(value.clone()))).collect(),
    }
}

fn header(text: &str) -> Result<(String, Bytes), String> {
    let (name, value) = text.split_once('=').ok_or("expected a header as NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned().into()))
}

fn input(file: &Path) -> std::io::Result<Box<dyn BufRead + Send>> {
    if file == Path::new("-") {
        return Ok(Box::new(BufReader::new(std::io::stdin())));
    }
    Ok(Box::new(BufReader::new(File::open(file)?)))
}

/// Reads an input line by line, holding at most one batch.
struct Lines<R> {
    input: R,
    number: u64,
    too_large: Vec<u64>,
    more: u64,
}

/// The result of reading a line.
enum Line {
    Whole(Vec<u8>),
    TooLarge,
    End,
}

impl<R: BufRead> Lines<R> {
    fn new(input: R) -> Self {
        Self { input, number: 0, too_large: Vec::new(), more: 0 }
    }

    /// The next batch of records; empty at the end.
    fn batch(&mut self, largest: usize) -> std::io::Result<Vec<Vec<u8>>> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < TOGETHER && bytes < TOGETHER_BYTES {
            match self.line(largest)? {
                Line::End => break,
                Line::TooLarge if self.too_large.len() < NAMED => self.too_large.push(self.number),
                Line::TooLarge => self.more += 1,
                Line::Whole(line) if line.is_empty() => {}
                Line::Whole(line) => {
                    bytes += line.len();
                    batch.push(line);
                }
            }
        }
        Ok(batch)
    }

    fn line(&mut self, largest: usize) -> std::io::Result<Line> {
        const LINE_END: u64 = 2;
        let mut line = Vec::new();
        let most = u64::try_from(largest).unwrap_or(u64::MAX).saturating_add(LINE_END);
        if self.input.by_ref().take(most).read_until(b'\n', &mut line)? == 0 {
            return Ok(Line::End);
        }
        self.number += 1;
        let ended = line.pop_if(|last| *last == b'\n').is_some();
        line.pop_if(|last| *last == b'\r');
        if !ended && line.len() > largest {
            self.input.skip_until(b'\n')?;
        }
        Ok(if line.len() > largest { Line::TooLarge } else { Line::Whole(line) })
    }
}

/// The number of records and the offsets, by partition.
#[derive(Default)]
struct Sent(BTreeMap<i32, (u64, i64, i64)>);

impl Sent {
    fn count(&mut self, places: &[RecordLocation]) {
        for RecordLocation { partition, offset } in places {
            let (count, _, last) = self.0.entry(*partition).or_insert((0, *offset, *offset));
            *count += 1;
            *last = *offset;
        }
    }

    fn shown(&self, topic: &TopicName) -> String {
        let all: u64 = self.0.values().map(|(count, ..)| count).sum();
        let mut text = format!("{topic}: {all} {}\n", records(all));
        for (partition, (count, first, last)) in &self.0 {
            let records = records(*count);
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "  partition {partition}: {count} {records}, offsets {first} to {last}"
            );
        }
        text
    }
}

fn records(count: u64) -> &'static str {
    if count == 1 { "record" } else { "records" }
}

fn refused(lines: &[u64], more: u64) -> String {
    let mut text = format!(
        "lines are too large, all others were sent: the maximum is {RECORD_BYTES} bytes of \
         key, value and headers\n"
    );
    for line in lines {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  line {line}");
    }
    if more > 0 {
        let _ = writeln!(text, "  and {more} more");
    }
    text
}

#[expect(clippy::disallowed_methods, reason = "a producer stamps its records")]
fn now_millis() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_record_without_its_line_end_and_a_blank_line_is_skipped() {
        let mut lines = Lines::new("a\n\r\n\nb b\r\nc".as_bytes());
        assert_eq!(lines.batch(10).unwrap(), [&b"a"[..], b"b b", b"c"]);
        assert_eq!(lines.batch(10).unwrap(), Vec::<Vec<u8>>::new());
        assert_eq!(lines.number, 5);
    }

    #[test]
    fn a_line_over_the_limit_is_listed_and_the_others_are_sent() {
        let long = "x".repeat(100);
        let text = format!("1234\n12345\n{long}\n1234\r\n12345\r\n{long}");
        let mut lines = Lines::new(text.as_bytes());
        assert_eq!(lines.batch(4).unwrap(), [b"1234", b"1234"]);
        assert_eq!(lines.too_large, [2, 3, 5, 6]);
    }

    #[test]
    fn batches_are_bounded_and_lose_nothing() {
        let text = "x\n".repeat(TOGETHER + 1);
        let mut lines = Lines::new(text.as_bytes());
        assert_eq!(lines.batch(4).unwrap().len(), TOGETHER);
        assert_eq!(lines.batch(4).unwrap().len(), 1);
    }
}
