//! From a commit to its record in a feed, on a host in this process with its embedded services. The
//! processor commits from a process of its own; a commit is done when its invocation returns.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use drover_event_log::{Bounds, Embedded, Log as _, Position};
use drover_local::{Host, HostConfig};
use serde_json::Value;

use crate::load::{Times, lambda_event, record};
use crate::print;
use crate::scale::handler::Handler;

const TOPIC: &str = "drover.ordered";
const COMMITS: i64 = 300;
const SUBJECTS: i64 = 10;
/// From one commit to the next.
const EVERY: Duration = Duration::from_millis(100);
const POLL: Duration = Duration::from_millis(2);
const LONGEST: Duration = Duration::from_secs(30);

pub(super) fn run() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure())
}

async fn measure() -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("a folder for the host")?;
    let host = Host::start(HostConfig::on_free_ports(folder.path())).await?;
    let addresses = host.addresses().clone();
    let committing = tokio::task::spawn_blocking(move || commit(&addresses));
    let arrived = arrivals(&folder.path().join("feeds.db")).await;
    let committed = committing.await??;
    let arrived = arrived?;
    host.stop().await?;
    let mut taken: Vec<Duration> = Vec::new();
    for (id, at) in &committed {
        let arrived = arrived.get(id).with_context(|| format!("{id} never arrived"))?;
        taken.push(arrived.saturating_duration_since(*at));
    }
    taken.sort_unstable();
    let at = |part: usize| taken.get(taken.len() * part / 100).map_or(0, Duration::as_millis);
    print(&format!(
        "from commit to {TOPIC} on the host: p50 {} ms, p95 {} ms, longest {} ms ({COMMITS} commits, one every {} ms)",
        at(50),
        at(95),
        at(100).max(taken.last().map_or(0, Duration::as_millis)),
        EVERY.as_millis(),
    ));
    Ok(())
}

/// When each event was committed, by its id.
#[expect(clippy::disallowed_methods, reason = "a producer has a clock, and waits")]
fn commit(
    addresses: &drover_local::data_folder::Addresses,
) -> anyhow::Result<BTreeMap<String, Instant>> {
    let mut handler = Handler::start(addresses)?;
    let mut random = fastrand::Rng::with_seed(7);
    let mut committed = BTreeMap::new();
    for turn in 0..COMMITS {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let now = i64::try_from(now.as_millis())?;
        let subject = usize::try_from(turn % SUBJECTS)?;
        let record = record(&mut random, turn, subject, Times { observed: now, received: now });
        let value = record.get("value").and_then(Value::as_str).context("a value")?;
        let value: Value = serde_json::from_slice(&base64_simd::STANDARD.decode_to_vec(value)?)?;
        let id = value.get("event_id").and_then(Value::as_str).context("an id")?;
        handler.handle(&lambda_event(&[record]))?;
        committed.insert(id.to_owned(), Instant::now());
        std::thread::sleep(EVERY);
    }
    Ok(committed)
}

/// When each event arrived in the feed, by its id.
async fn arrivals(file: &std::path::Path) -> anyhow::Result<BTreeMap<String, Instant>> {
    let started = Instant::now();
    while !file.exists() {
        anyhow::ensure!(started.elapsed() < LONGEST, "the host has no feeds");
        tokio::time::sleep(POLL).await;
    }
    let log = Embedded::open(file, None)?;
    let bounds = Bounds { records: 1_000, bytes: 1 << 20, wait: Duration::ZERO };
    let (mut next, mut arrived) = (BTreeMap::<i32, i64>::new(), BTreeMap::new());
    let mut last = Instant::now();
    while i64::try_from(arrived.len())? < COMMITS && last.elapsed() < LONGEST {
        for partition in log.partitions(TOPIC).await? {
            let offset = next.entry(partition).or_default();
            let fetched =
                log.fetch(Position { topic: TOPIC, partition, offset: *offset }, bounds).await?;
            *offset = fetched.next;
            for record in fetched.records {
                let header = record.headers.iter().find(|(name, _)| name == "ce_id");
                let id = header.and_then(|(_, id)| id.as_ref()).context("an id")?;
                // The id of a record ends with that of the event.
                let id = std::str::from_utf8(id)?.rsplit('/').next().unwrap_or_default().to_owned();
                last = Instant::now();
                arrived.entry(id).or_insert(last);
            }
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(arrived)
}
