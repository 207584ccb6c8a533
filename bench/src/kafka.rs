//! A real Kafka cluster: writes events to a topic of its own through the stream that ingest uses,
//! sends again what was not acknowledged, and reads all of it back as the event-source simulator
//! does. Kill the broker in between and start it again: what was acknowledged must be there.
//!
//! The topic stays, so that it can be looked at.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail, ensure};
use drover_core::aws::kafka::{KafkaConfig, KafkaStream, Password, Security};
use drover_core::error::Reason;
use drover_core::record::{Record, Source};
use drover_core::time::Timestamp;
use drover_local::stream::{Bounds, KafkaLog, Log as _, Position};

use crate::print;

/// Senders beside each other, each with subjects of its own.
const SENDERS: usize = 4;
/// Events of one send, as a full request of ingest has them.
const BATCH: usize = 100;
/// What a send may take.
const DEADLINE_SECONDS: i64 = 5;
/// More than a topic takes by default.
const LARGE_BYTES: usize = 2 << 20;
/// How long senders go on without any success before they give up.
const PATIENCE: Duration = Duration::from_secs(120);
const BOUNDS: Bounds = Bounds { records: 500, bytes: 1 << 20, wait: Duration::from_secs(2) };

pub(crate) fn run(arguments: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let arguments: Vec<String> = arguments.collect();
    let bootstrap = arguments.first().context("the address of a broker")?.clone();
    let events = arguments.get(1).map_or(Ok(10_000), |count| count.parse())?;
    let security = match (arguments.get(2), arguments.get(3)) {
        (Some(user), Some(file)) => {
            let password = Password::new(&std::fs::read_to_string(file)?);
            Security::ScramSha512 { user: user.clone(), password, tls: false }
        }
        _ => Security::Plaintext,
    };
    let topic = format!("drover.check.{:08x}", fastrand::u32(..));
    let config = KafkaConfig { bootstrap, topic, security };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(check(config, events))
}

async fn check(config: KafkaConfig, events: usize) -> anyhow::Result<()> {
    config.create_topics(&[&config.topic]).await?;
    let stream = Arc::new(KafkaStream::connect(config.clone()).await?);
    refusals(&config, &stream).await?;
    let started = Instant::now();
    let senders =
        (0..SENDERS).map(|sender| tokio::spawn(send(Arc::clone(&stream), sender, events)));
    let mut sent = Sent::default();
    for sender in senders.collect::<Vec<_>>() {
        sent.add(sender.await??);
    }
    let seconds = started.elapsed().as_secs_f64();
    sent.print(&config.topic, seconds);
    let log = KafkaLog::connect(config.clone()).await?;
    let found = read(&log, &config.topic).await?;
    let ids: HashSet<&String> = found.ids.iter().collect();
    let lost = sent.acknowledged.iter().filter(|id| !ids.contains(id)).count();
    print(&format!(
        "read back {} records, {} of them twice, {} of one key out of order",
        found.ids.len(),
        found.ids.len() - ids.len(),
        found.disorder
    ));
    ensure!(lost == 0, "{lost} acknowledged events are not in the topic");
    ensure!(sent.again > 0 || found.disorder == 0, "records of one key are out of order");
    beyond_the_end(&log, &config.topic, &found.ends).await?;
    committed(&config, &log, &found.ends).await
}

/// What no second attempt would help is broken, and harms nobody else.
async fn refusals(config: &KafkaConfig, stream: &KafkaStream) -> anyhow::Result<()> {
    let missing = KafkaConfig { topic: format!("{}.missing", config.topic), ..config.clone() };
    let missing = KafkaStream::connect(missing).await.err().context("a topic that is not there")?;
    ensure!(missing.reason == Reason::Broken, "{missing}");
    let mut large = record(0, 0);
    large.value = Some(vec![b'x'; LARGE_BYTES]);
    let results = stream.produce(&[&large], now().plus_seconds(DEADLINE_SECONDS)).await;
    let [Err(large)] = results.as_slice() else { bail!("{LARGE_BYTES} bytes were acknowledged") };
    ensure!(large.reason == Reason::Broken, "{large}");
    print(&format!("refused, as it should be: {missing}; {large}"));
    Ok(())
}

/// What became of what was sent.
#[derive(Default)]
struct Sent {
    acknowledged: Vec<String>,
    again: usize,
    latencies: Vec<Duration>,
}

impl Sent {
    fn add(&mut self, other: Self) {
        self.acknowledged.extend(other.acknowledged);
        self.again += other.again;
        self.latencies.extend(other.latencies);
    }

    fn print(&mut self, topic: &str, seconds: f64) {
        self.latencies.sort_unstable();
        let at = |percent: usize| self.latencies.get(self.latencies.len() * percent / 100);
        let (count, again) = (self.acknowledged.len(), self.again);
        print(&format!(
            "{topic}: {count} events acknowledged in {seconds:.2} s, {again} sent again; a batch of \
             {BATCH}: p50 {:?}, p95 {:?}",
            at(50).copied().unwrap_or_default(),
            at(95).copied().unwrap_or_default()
        ));
    }
}

async fn send(stream: Arc<KafkaStream>, sender: usize, events: usize) -> anyhow::Result<Sent> {
    let mut sent = Sent::default();
    let records: Vec<Record> = (0..events / SENDERS).map(|one| record(sender, one)).collect();
    for batch in records.chunks(BATCH) {
        let (mut left, first) = (batch.iter().collect::<Vec<_>>(), Instant::now());
        while !left.is_empty() {
            ensure!(first.elapsed() < PATIENCE, "the cluster does not come back");
            let began = Instant::now();
            let results = stream.produce(&left, now().plus_seconds(DEADLINE_SECONDS)).await;
            sent.latencies.push(began.elapsed());
            let (done, failed): (Vec<_>, Vec<_>) =
                left.into_iter().zip(results).partition(|(_, result)| result.is_ok());
            sent.acknowledged.extend(done.into_iter().filter_map(|(record, _)| id(record)));
            if let Some((_, Err(error))) = failed.first() {
                print(&format!("{} not acknowledged: {error}", failed.len()));
            }
            sent.again += failed.len();
            left = failed.into_iter().map(|(record, _)| record).collect();
        }
    }
    Ok(sent)
}

fn record(sender: usize, number: usize) -> Record {
    let subject = format!("demo/device/{sender}-{}", number % 25);
    let padding = "x".repeat(200);
    Record {
        source: Source::Http { request_id: Arc::from("check"), index: 0 },
        key: Some(subject.into_bytes()),
        value: Some(format!("{sender}-{number:08} {padding}").into_bytes()),
        headers: vec![("correlation_id".to_owned(), b"check".to_vec())],
        received_at: None,
        ingested_at: Timestamp::MIN,
    }
}

fn id(record: &Record) -> Option<String> {
    record.value.as_deref().and_then(id_of)
}

fn id_of(value: &[u8]) -> Option<String> {
    Some(std::str::from_utf8(value).ok()?.split(' ').next()?.to_owned())
}

/// What the topic holds.
#[derive(Default)]
struct Found {
    ids: Vec<String>,
    /// Records that stand behind a later one of their key.
    disorder: usize,
    ends: BTreeMap<i32, i64>,
}

async fn read(log: &KafkaLog, topic: &str) -> anyhow::Result<Found> {
    let mut found = Found::default();
    let mut newest: HashMap<Vec<u8>, String> = HashMap::new();
    for partition in log.partitions(topic).await? {
        let mut offset = 0;
        loop {
            let fetched = log.fetch(Position { topic, partition, offset }, BOUNDS).await?;
            for record in &fetched.records {
                let id = record.value.as_deref().and_then(id_of).context("a record of ours")?;
                let key = record.key.as_deref().unwrap_or_default().to_vec();
                let newest = newest.entry(key).or_default();
                found.disorder += usize::from(id < *newest);
                *newest = id.clone().max(std::mem::take(newest));
                found.ids.push(id);
            }
            offset = fetched.next;
            if offset >= fetched.end {
                break;
            }
        }
        found.ends.insert(partition, offset);
    }
    Ok(found)
}

/// Whoever reads on beyond the end is brought back to it.
async fn beyond_the_end(
    log: &KafkaLog,
    topic: &str,
    ends: &BTreeMap<i32, i64>,
) -> anyhow::Result<()> {
    for (partition, end) in ends {
        let from = Position { topic, partition: *partition, offset: end + 100 };
        let fetched = log.fetch(from, BOUNDS).await?;
        ensure!(fetched.next == *end && fetched.records.is_empty(), "{fetched:?}");
    }
    Ok(())
}

/// Offsets that were committed are there for another client.
async fn committed(
    config: &KafkaConfig,
    log: &KafkaLog,
    ends: &BTreeMap<i32, i64>,
) -> anyhow::Result<()> {
    let group = format!("{}.group", config.topic);
    ensure!(log.committed(&group, &config.topic).await?.is_empty(), "a new group has offsets");
    log.commit(&group, &config.topic, ends).await?;
    let other = KafkaLog::connect(config.clone()).await?;
    let committed = other.committed(&group, &config.topic).await?;
    ensure!(committed == *ends, "committed {ends:?}, found {committed:?}");
    print(&format!("committed offsets: {committed:?}"));
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "deadlines are on the machine's clock")]
fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis())
        .ok()
        .and_then(Timestamp::from_millis)
        .unwrap_or(Timestamp::MAX)
}
