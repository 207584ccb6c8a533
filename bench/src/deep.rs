//! The cost of late events: the units of one late event in histories of several sizes, of the carry
//! afterwards, of a read in between, and of backlogs of single events.

use std::collections::BTreeSet;

use anyhow::Context;
use drover_core::base::cost::Units;
use drover_core::base::id::{SubjectId, TenantId};
use drover_core::base::limits::ItemLimits;
use drover_core::base::metrics::Metric;
use drover_core::base::scope::TenantScope;
use drover_core::base::time::Timestamp;
use drover_core::intake::kafka_event as kafka;
use drover_core::intake::record::{Receipt, TopicRetention};
use drover_core::ledger::codec::{decode_head, decode_page, encode_page};
use drover_core::ledger::dialogue::CommitParams;
use drover_core::ledger::read::{Question, Snapshot};
use drover_core::ledger::{Page, Policy};
use drover_core::pipeline::Pipeline;
use drover_core::pipeline::subject::carry;
use drover_core::ports::{Store as _, SubjectLocation};
use drover_core::subject::reader;
use drover_core::view::Specs;

use crate::cpu::on_cpu;
use crate::load::{START_MILLIS, Times, lambda_event, pipeline, record};
use crate::print;
use crate::units::ports;

const SIZES: [i64; 5] = [500, 2_000, 8_000, 40_000, 200_000];
/// The number of events in a backlog: one event per minute, for two days.
const BACKLOG: i64 = 2_880;
/// The defaults of a tenant document.
const POLICY: Policy = Policy { lateness_seconds: 60, max_future_seconds: 300, retention_days: 30 };
const STEP_MILLIS: i64 = 10_000;
const BATCH: i64 = 10;
/// The time from the observation of an in-order event to its receipt.
const DELAY_MILLIS: i64 = 1_000;
/// The time of receipt of all late events: after all other events and within the retention. It is constant,
/// so that the hour of the listing index does not change.
const RECEIVED_LATE: i64 = START_MILLIS + 25 * DAY_MILLIS;
const NOW_MILLIS: i64 = START_MILLIS + 26 * DAY_MILLIS;
const DAY_MILLIS: i64 = 24 * 3_600_000;

/// Runs the benchmark for histories of these sizes. Without sizes, it runs [`SIZES`] and the backlogs.
pub(crate) fn run(sizes: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut given: Vec<i64> = sizes.map(|size| size.parse()).collect::<Result<_, _>>()?;
    let is_all = given.is_empty();
    if is_all {
        given.extend(SIZES);
    }
    print(
        "events | late write | late read | carry write | carry read | stale view read | its fold, ms of CPU | \
         late events until a carry | write with its share | read with its share",
    );
    for size in given {
        let one = runtime.block_on(behind(size))?;
        let Behind { late, carried, view, fold_millis, shared, events } = one;
        print(&format!(
            "{size} | {} | {} | {} | {} | {} | {fold_millis:.1} | {events} | {:.2} | {:.2}",
            late.write,
            late.read,
            carried.write,
            carried.read,
            view.read,
            shared.write,
            shared.read
        ));
    }
    print("backlog | write units per event | read units per event");
    for shuffled in [false, true] {
        let (name, events) = (if shuffled { "shuffled" } else { "newest first" }, BACKLOG);
        let units = runtime.block_on(backlog(events, shuffled))?;
        print(&format!("{name} | {:.3} | {:.3}", units.write, units.read));
    }
    Ok(())
}

struct Behind {
    late: Units,
    /// The cost of the carry after the late event.
    carried: Units,
    view: Units,
    fold_millis: f64,
    /// The cost of each of `events` consecutive late events, including the carry that the last event caused.
    shared: Units,
    events: u64,
}

/// One subject in its own ledger table.
struct Bench {
    aws: drover_aws::Aws,
    pipeline: Pipeline,
    random: fastrand::Rng,
    offset: i64,
}

impl Bench {
    async fn new(ledger: &str) -> anyhow::Result<Self> {
        let random = fastrand::Rng::with_seed(7);
        Ok(Self { aws: ports(ledger).await?, pipeline: pipeline(), random, offset: 0 })
    }

    /// Sends events with these times of observation, in milliseconds since 1970, in one batch. They are
    /// received at `received`, or [`DELAY_MILLIS`] after their observation.
    async fn send(
        &mut self,
        observed: impl IntoIterator<Item = i64>,
        received: Option<i64>,
    ) -> anyhow::Result<Units> {
        let records: Vec<_> = observed
            .into_iter()
            .map(|observed| {
                self.offset += 1;
                let received = received.unwrap_or(observed + DELAY_MILLIS);
                record(&mut self.random, self.offset, 0, Times { observed, received })
            })
            .collect();
        let now = Timestamp::from_millis(NOW_MILLIS).context("now")?;
        let receipt = Receipt { now, retention: TopicRetention::LONGEST };
        let decoded = kafka::decode(&lambda_event(&records), receipt)?;
        let report = self.pipeline.process(&self.aws, decoded.records, Timestamp::MAX).await?;
        let tally = report.tally;
        let applied = tally.total(Metric::EventsProcessed);
        #[expect(clippy::cast_precision_loss, reason = "few records")]
        let sent = records.len() as f64;
        anyhow::ensure!(applied == sent, "{applied} of {sent} were applied");
        Ok(Units { write: tally.total(Metric::WriteUnits), read: tally.total(Metric::ReadUnits) })
    }

    /// Sends late events into the older half of a history until a commit carries. Returns the cost of each
    /// event and the number of events.
    async fn until_carried(&mut self, size: i64) -> anyhow::Result<(Units, u64)> {
        /// More than any history of this benchmark needs.
        const MOST: i64 = 5_000;
        let location = location()?;
        let mut units = Units::default();
        for number in 1..=MOST {
            // The positions are spread over the older half, without duplicates.
            let position = number * 37 % (size / 2) * STEP_MILLIS + 1 + number;
            units += self.send([START_MILLIS + position], Some(RECEIVED_LATE)).await?;
            let stored = self.aws.head(&location).await?.answer.context("a head")?;
            if decode_head(&stored.bytes)?.stale.is_none() {
                #[expect(clippy::cast_precision_loss, reason = "some thousand events")]
                let count = number as f64;
                let each = Units { write: units.write / count, read: units.read / count };
                return Ok((each, number.unsigned_abs()));
            }
        }
        anyhow::bail!("no commit has carried")
    }

    /// The specs of the contracts in this history.
    async fn specs(&self, snapshot: &Snapshot) -> anyhow::Result<Specs> {
        let versions = Specs::default().missing(snapshot.entries());
        Ok(self.pipeline.registry.specs(&versions, &self.aws).await?)
    }
}

fn location() -> anyhow::Result<SubjectLocation> {
    let scope = TenantScope::by_operator(TenantId::parse("demo")?);
    Ok(SubjectLocation {
        key: scope.subject(SubjectId::parse("device/device-00000")?),
        table: None,
    })
}

async fn behind(size: i64) -> anyhow::Result<Behind> {
    let mut bench = Bench::new(&format!("deep-{size}")).await?;
    let at = |position: i64| START_MILLIS + position * STEP_MILLIS;
    for first in (0..size).step_by(usize::try_from(BATCH)?) {
        bench.send((first..size.min(first + BATCH)).map(at), None).await?;
    }
    // An extra event seals the entries that the last batch froze, so that their cost is not in the result.
    bench.send([at(size)], None).await?;
    // The environment is cold, so the cost includes the read of the head.
    bench.pipeline = pipeline();
    let late = bench.send([at(0) + STEP_MILLIS / 2], Some(RECEIVED_LATE)).await?;
    let location = location()?;
    let (snapshot, view) = reader::read(&bench.aws, &location, Question::Live).await?;
    let snapshot = snapshot.context("a subject")?;
    let specs = bench.specs(&snapshot).await?;
    let fold_millis = fold_millis(&snapshot, &specs)?;
    let params = CommitParams::new(location.key.clone(), POLICY, ItemLimits::STANDARD);
    let (_, carried) = carry(&bench.aws, &bench.pipeline.registry, location, params).await?;
    let (shared, events) = bench.until_carried(size).await?;
    Ok(Behind { late, carried, view, fold_millis, shared, events })
}

/// The CPU time of decoding a snapshot and folding its live view, in milliseconds.
fn fold_millis(snapshot: &Snapshot, specs: &Specs) -> anyhow::Result<f64> {
    let stored: Vec<Vec<u8>> = snapshot.pages.iter().map(encode_page).collect::<Result<_, _>>()?;
    let before = on_cpu()?;
    let pages: Vec<Page> =
        stored.iter().map(|bytes| decode_page(bytes)).collect::<Result<_, _>>()?;
    let read = Snapshot { head: snapshot.head.clone(), pages };
    let view = read.live(specs);
    let nanos = on_cpu()? - before;
    anyhow::ensure!(view.event_count == snapshot.head.count, "the view counts other events");
    #[expect(clippy::cast_precision_loss, reason = "milliseconds")]
    let millis = nanos as f64 / 1e6;
    Ok(millis)
}

/// The units per event of a backlog, with one event per batch.
async fn backlog(events: i64, shuffled: bool) -> anyhow::Result<Units> {
    let mut bench = Bench::new(&format!("backlog-{shuffled}")).await?;
    let mut order: Vec<i64> = (0..events).rev().collect();
    if shuffled {
        fastrand::Rng::with_seed(11).shuffle(&mut order);
    }
    let distinct: BTreeSet<i64> = order.iter().copied().collect();
    anyhow::ensure!(distinct.len() == order.len(), "an event twice");
    let mut units = Units::default();
    for minute in order {
        units += bench.send([START_MILLIS + minute * 60_000], Some(RECEIVED_LATE)).await?;
    }
    let location = location()?;
    let params = CommitParams::new(location.key.clone(), POLICY, ItemLimits::STANDARD);
    units += carry(&bench.aws, &bench.pipeline.registry, location, params).await?.1;
    #[expect(clippy::cast_precision_loss, reason = "some thousand events")]
    let count = events as f64;
    Ok(Units { write: units.write / count, read: units.read / count })
}
