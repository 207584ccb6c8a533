//! Drover's part of the comparison in `bench/peers`: files of Lambda events, the same as for the
//! other peers, through the processor's handler or through bare parsing. The output is for
//! `bench/peers/run`: a JSON line after each phase with the CPU time of the whole process so far,
//! then one line for each device with its state.
//!
//! - `peer parse FOLDER`: bare parsing, as in [`crate::cpu`]
//! - `peer memory FOLDER`: the handler over the memory store: Drover's own cost
//! - `peer dynamodb FOLDER DYNAMODB SQS`: the handler over the SDK and the services at these
//!   addresses
//!
//! Phases are folders: `warm-up`, `main` and `special`, each with its batches in the order of their
//! names. A batch with returned records is delivered again, as Lambda does, and counted. Lambda's
//! poller and runtime are not included for any peer.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use aws_sdk_dynamodb::types::AttributeValue;
use drover_aws::{Aws, LocalEndpoints, tables};
use drover_core::base::metrics::emf::{Keeping, Lines};
use drover_core::base::metrics::{Meter, Metric, Tally};
use drover_core::base::time::Timestamp;
use drover_core::intake::record::TopicRetention;
use drover_core::ledger::read::Question;
use drover_core::memory::Memory;
use drover_core::ports::Ports;
use drover_core::registry::Registry;
use drover_core::subject::reader;
use drover_core::view::Specs;
use drover_processor::Processor;
use drover_tests::dynamodb::{LEDGER, LETTERS, OUTPUTS, REGISTRY, REQUESTS};
use serde_json::{Value, json};

use crate::cpu::parse;
use crate::load::{DOCUMENTS, invocation, pipeline};
use crate::print;

const PHASES: [&str; 3] = ["warm-up", "main", "special"];
/// Parsing is so fast that a single run would be too short for the kernel's clock ticks.
const PARSES: u64 = 5;
/// The maximum deliveries of a batch before its records count as lost.
const DELIVERIES: usize = 20;
/// The kernel's ticks per second, as Linux reports them to every process.
const TICKS: f64 = 100.0;

pub(crate) fn run(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let kind = arguments.next();
    let folder = PathBuf::from(arguments.next().context("the folder of the events")?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match kind.as_deref() {
        Some("parse") => bare(&folder),
        Some("memory") => runtime.block_on(feed(&memory()?, &folder)),
        Some("dynamodb") => {
            let dynamodb = arguments.next().context("the address of DynamoDB")?;
            let sqs = arguments.next().context("the address of SQS")?;
            runtime.block_on(async { feed(&services(&dynamodb, &sqs).await?, &folder).await })
        }
        _ => Err(anyhow!("expected parse, memory or dynamodb")),
    }
}

fn bare(folder: &Path) -> anyhow::Result<()> {
    let started = Instant::now();
    for phase in ["warm-up", "main"] {
        for batch in batches(folder, phase)? {
            let batch = std::fs::read_to_string(batch)?;
            for _ in 0..PARSES {
                parse(&batch)?;
            }
        }
        let marked = json!({"times": PARSES});
        mark(phase, started.elapsed(), marked)?;
    }
    Ok(())
}

async fn feed<W: Ports + Clone>(ports: &W, folder: &Path) -> anyhow::Result<()> {
    let counts = Arc::new(Counted::default());
    let meter = Arc::clone(&counts) as Arc<dyn Meter>;
    let processor = Processor::new(ports.clone(), pipeline(), TopicRetention::LONGEST, meter);
    let started = Instant::now();
    for phase in PHASES {
        for batch in batches(folder, phase)? {
            let again = deliver(&processor, &std::fs::read_to_string(&batch)?).await?;
            counts.sums().deliveries += 1 + again;
        }
        mark(phase, started.elapsed(), counts.take())?;
    }
    let devices = std::fs::read_to_string(folder.join("devices.json"))?;
    for device in serde_json::from_str::<Vec<String>>(&devices)? {
        print(&state(ports, &device).await?.to_string());
    }
    Ok(())
}

/// The number of redeliveries of the batch.
async fn deliver<W: Ports>(processor: &Processor<W>, batch: &str) -> anyhow::Result<usize> {
    for again in 0..DELIVERIES {
        let answer = processor.handle(invocation(batch)?).await?;
        if answer.batch_item_failures.is_empty() {
            return Ok(again);
        }
    }
    bail!("records were returned every time")
}

/// The state of a device as a reader sees it, and whether its history is in order.
async fn state<W: Ports>(ports: &W, device: &str) -> anyhow::Result<Value> {
    let location = drover_tests::location("demo", device).map_err(|error| anyhow!("{error}"))?;
    let everything = Question::History { from: None, to: None };
    let (snapshot, _) = reader::read(ports, &location, everything).await?;
    let Some(snapshot) = snapshot else { return Ok(json!({"device": device, "count": 0})) };
    let versions = Specs::default().missing(snapshot.entries());
    let specs = Registry::new().specs(&versions, ports).await?;
    let view = snapshot.live(&specs).to_json();
    let number = |name: &str| view.pointer(&format!("/measures/temperature/{name}")).cloned();
    let mean = number("mean").and_then(|mean| mean.as_f64()).unwrap_or_default();
    let count = number("count").and_then(|count| count.as_f64()).unwrap_or_default();
    let positions: Vec<_> = snapshot.entries().map(|entry| &entry.position).collect();
    Ok(json!({
        "device": device, "count": view.get("event_count"), "sum": mean * count,
        "min": number("min"), "max": number("max"),
        "latest": number("last"), "latest_at": number("last_at"),
        "history": positions.len(), "in_order": positions.is_sorted(),
    }))
}

/// Counts like the functions' metric lines, which are serialized and discarded.
struct Counted {
    lines: Lines,
    sums: Mutex<Sums>,
}

#[derive(Clone, Copy, Default)]
struct Sums {
    write_units: f64,
    read_units: f64,
    applied: f64,
    duplicate: f64,
    letters: f64,
    deliveries: usize,
}

impl Default for Counted {
    fn default() -> Self {
        let lines = Lines { keeping: Keeping::default(), write: |_| {} };
        Self { lines, sums: Mutex::default() }
    }
}

impl Meter for Counted {
    fn record(&self, function: &'static str, tally: &Tally, now: Timestamp) {
        self.lines.record(function, tally, now);
        let mut sums = self.sums();
        sums.write_units += tally.total(Metric::WriteUnits);
        sums.read_units += tally.total(Metric::ReadUnits);
        sums.applied += tally.total(Metric::EventsProcessed);
        sums.duplicate += tally.total(Metric::EventsDuplicate);
        sums.letters += tally.total(Metric::DeadLettersSent);
    }
}

impl Counted {
    /// The counts since the last call.
    fn take(&self) -> Value {
        let sums = std::mem::take(&mut *self.sums());
        json!({
            "write_units": sums.write_units, "read_units": sums.read_units,
            "applied": sums.applied, "duplicate": sums.duplicate, "dead_letters": sums.letters,
            "deliveries": sums.deliveries,
        })
    }

    fn sums(&self) -> MutexGuard<'_, Sums> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn memory() -> anyhow::Result<Memory> {
    let now = std::time::UNIX_EPOCH.elapsed().context("now")?.as_millis();
    let memory = Memory::new(Timestamp::from_millis(i64::try_from(now)?).context("now")?);
    for (key, json) in DOCUMENTS {
        memory.put_document(key, json);
    }
    Ok(memory)
}

/// Creates the tables; the queues must exist.
async fn services(dynamodb: &str, sqs: &str) -> anyhow::Result<Aws> {
    let endpoints =
        LocalEndpoints { dynamodb: format!("http://{dynamodb}"), sqs: format!("http://{sqs}") };
    let aws = drover_tests::aws(&endpoints, LEDGER);
    let names = tables::TableNames {
        ledger: LEDGER.into(),
        registry: REGISTRY.into(),
        letters: LETTERS.into(),
        requests: REQUESTS.into(),
        outputs: OUTPUTS.into(),
    };
    tables::create_tables(aws.dynamodb(), &names).await?;
    for (key, json) in DOCUMENTS {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let put = aws.dynamodb().put_item().table_name(REGISTRY).item("pk", text(key));
        put.item("d", text(json)).item("v", AttributeValue::N("1".to_owned())).send().await?;
    }
    Ok(aws)
}

fn batches(folder: &Path, phase: &str) -> anyhow::Result<Vec<PathBuf>> {
    let listed = std::fs::read_dir(folder.join(phase)).with_context(|| format!("phase {phase}"))?;
    let mut batches = listed.map(|file| Ok(file?.path())).collect::<anyhow::Result<Vec<_>>>()?;
    batches.sort();
    Ok(batches)
}

fn mark(phase: &str, wall: Duration, counts: Value) -> anyhow::Result<()> {
    let line = json!({
        "mark": phase, "cpu_seconds": cpu_seconds()?, "wall_seconds": wall.as_secs_f64(), "counts": counts,
    });
    print(&line.to_string());
    Ok(())
}

/// The CPU time of all threads, including ended ones, in user mode and in the kernel. The fields
/// are counted after the end of the program's name, which may contain blanks.
fn cpu_seconds() -> anyhow::Result<f64> {
    let text = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = text.rsplit_once(')').context("the name of the program")?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u32>);
    let ticks = ticks.sum::<Result<u32, _>>()?;
    Ok(f64::from(ticks) / TICKS)
}
