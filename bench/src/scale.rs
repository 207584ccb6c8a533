//! Speed, memory and units over a long run: a million events of a hundred thousand subjects through
//! the processor's handler, in a child process, on the store of a local host (its tables in a
//! SQLite file in a temporary folder). Only the handler is in the child process, so that CPU time
//! and memory are the handler's own; event generation and the store are in this process. Batches
//! follow each other one at a time, as Lambda sends those of one partition.
//!
//! `cargo run --release -p drover-bench -- scale` prints sums of tenths and writes every point to
//! `scale.svg` and `scale.csv`; a last argument, `shifts` or `random`, selects one order of
//! arrival.
//!
//! Not measured: several concurrent environments and partitions. Each would have a part of the
//! subjects, and here the same processors.

use std::path::{Path, PathBuf};

use anyhow::Context;
use drover_local::{Host, HostConfig};
use rustix::time::ClockId;

use crate::print;
use crate::scale::arrivals::{Arrivals, Pattern};
use crate::scale::handler::{Handler, cpu_seconds};
use crate::scale::points::{Measured, Point};

mod arrivals;
pub(crate) mod handler;
mod plot;
mod points;

const EVENTS: usize = 1_000_000;
const SUBJECTS: usize = 100_000;
/// The number of points of a run.
const POINTS: usize = 100;
/// Records of one invocation, unless the run is too short for so many in a point.
const BATCH: usize = 500;

/// The number of events and subjects.
#[derive(Clone, Copy)]
struct Size {
    events: usize,
    subjects: usize,
}

pub(crate) fn run(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let size = Size {
        events: number(arguments.next(), EVENTS)?.max(POINTS),
        subjects: number(arguments.next(), SUBJECTS)?.max(1),
    };
    let picture = PathBuf::from(arguments.next().unwrap_or_else(|| "scale.svg".to_owned()));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut runs = Vec::new();
    let only = arguments.next();
    for pattern in Pattern::ALL.into_iter().filter(|pattern| pattern.is(only.as_deref())) {
        let points = runtime.block_on(measure(pattern, size))?;
        show(pattern, size, &points);
        runs.push(Measured { pattern, points });
    }
    write(&picture, &runs)
}

fn number(text: Option<String>, otherwise: usize) -> anyhow::Result<usize> {
    match text {
        Some(text) => text.parse().with_context(|| format!("invalid number: `{text}`")),
        None => Ok(otherwise),
    }
}

async fn measure(pattern: Pattern, size: Size) -> anyhow::Result<Vec<Point>> {
    let folder = tempfile::tempdir().context("a folder for the store")?;
    let host = Host::start(HostConfig::on_free_ports(folder.path())).await?;
    let mut handler = Handler::start(host.addresses())?;
    let mut arrivals = Arrivals::new(pattern, size.events, size.subjects);
    let mut points = Vec::with_capacity(POINTS);
    for _ in 0..POINTS {
        points.push(point(&mut arrivals, &mut handler, size.events / POINTS)?);
    }
    drop(handler);
    host.stop().await?;
    Ok(points)
}

/// Runs so many events, one batch after the other.
fn point(arrivals: &mut Arrivals, handler: &mut Handler, events: usize) -> anyhow::Result<Point> {
    let mut point = Point::default();
    let mut left = events;
    while left > 0 {
        let size = left.min(BATCH);
        let batch = arrivals.batch(size);
        let before = store_seconds();
        let taken = handler.handle(&batch)?;
        let store_seconds = store_seconds() - before;
        point.add(&Point { taken, store_seconds });
        left -= size;
    }
    Ok(point)
}

/// The CPU time of the store: that of this process without the event generation.
fn store_seconds() -> f64 {
    cpu_seconds(ClockId::ProcessCPUTime) - cpu_seconds(ClockId::ThreadCPUTime)
}

fn show(pattern: Pattern, size: Size, points: &[Point]) {
    let tenths = points::tenths(points);
    print(&format!("{} events of {} subjects, {}", size.events, size.subjects, pattern.name()));
    print(&format!("tenth | {}", points::COLUMNS));
    for (number, tenth) in (1..).zip(&tenths) {
        print(&format!("{number:>5} | {}", points::row(tenth)));
    }
    let sum = points::sum(points);
    print(&format!("  all | {}", points::row(&sum)));
    let sent = (size.events / POINTS * POINTS) as f64;
    if sum.taken.applied < sent {
        let waiting = sent - sum.taken.applied;
        print(&format!("{waiting} went to the buffer, because the store timed out"));
    }
    if let Some(trend) = points::trend(&tenths) {
        print(&trend);
    }
}

fn write(picture: &Path, runs: &[Measured]) -> anyhow::Result<()> {
    plot::draw(picture, runs)?;
    let lines: String =
        runs.iter().map(|run| points::csv(run.pattern.name(), &run.points)).collect();
    let columns = points::COLUMNS.replace(" | ", ",");
    std::fs::write(picture.with_extension("csv"), format!("pattern,events,{columns}\n{lines}"))?;
    print(&format!("every point: {}", picture.display()));
    Ok(())
}
