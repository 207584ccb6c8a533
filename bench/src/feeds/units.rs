//! Units per event of one subject, at three rates. The processor commits once a second, the relay follows
//! each commit, and a sweep runs each minute.

use drover_core::base::cost::Units;
use drover_core::base::time::Timestamp;
use drover_core::memory::Memory;
use futures_util::FutureExt as _;

use anyhow::Context as _;

use super::change_stream::{Follower, store};
use crate::load::{START_MILLIS, Times, invocation, lambda_event, order, processor, record};
use crate::print;

const EVENTS: i64 = 2_000;
const SWEEP: &str = r#"{"action":"sweep"}"#;
/// From the observation of an event to its receipt.
const TRANSIT_MILLIS: i64 = 200;

/// Events a second.
#[derive(Clone, Copy)]
struct Rate {
    name: &'static str,
    /// Events of a commit.
    batch: usize,
    /// From one event to the next.
    step_millis: i64,
}

const RATES: [Rate; 3] = [
    Rate { name: "0.1", batch: 1, step_millis: 10_000 },
    Rate { name: "1", batch: 1, step_millis: 1_000 },
    Rate { name: "10", batch: 10, step_millis: 100 },
];

/// What a run cost.
#[derive(Default)]
struct Cost {
    ledger: Units,
    relay: Units,
    sweeps: Units,
    records: u64,
}

pub(super) fn run() -> anyhow::Result<()> {
    print(
        "events a second | late | ledger: write units without feeds, with feeds | relay: read, write units | \
         sweeps: read, write units | records; all per event",
    );
    for rate in RATES {
        for is_late in [false, true] {
            let without = measure(rate, is_late, false)?;
            let with = measure(rate, is_late, true)?;
            print(&format!(
                "{:>4} | {} | {:.3} {:.3} | {:.3} {:.3} | {:.3} {:.3} | {:.2}",
                rate.name,
                if is_late { "10 %" } else { "none" },
                each(without.ledger.write),
                each(with.ledger.write),
                each(with.relay.read),
                each(with.relay.write),
                each(with.sweeps.read),
                each(with.sweeps.write),
                each(with.records as f64),
            ));
        }
    }
    Ok(())
}

fn each(sum: f64) -> f64 {
    sum / EVENTS as f64
}

/// The units of `work`.
pub(super) fn paid(
    memory: &Memory,
    work: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<Units> {
    let before = memory.state().units;
    work()?;
    let after = memory.state().units;
    Ok(Units { read: after.read - before.read, write: after.write - before.write })
}

fn measure(rate: Rate, is_late: bool, has_feeds: bool) -> anyhow::Result<Cost> {
    let start = Timestamp::from_millis(START_MILLIS).context("a time")?;
    let memory = store(start, has_feeds);
    let (processor, mut relay) = (processor(memory.clone()), Follower::new(memory.clone()));
    let mut random = fastrand::Rng::with_seed(7);
    let order = order(EVENTS, is_late, &mut random);
    let mut cost = Cost::default();
    let (mut now, mut swept) = (START_MILLIS, START_MILLIS);
    for (turn, positions) in order.chunks(rate.batch).enumerate() {
        let newest = (turn + 1) * rate.batch;
        now = START_MILLIS + i64::try_from(newest)? * rate.step_millis + TRANSIT_MILLIS;
        let records = positions.iter().map(|position| {
            let observed = START_MILLIS + position * rate.step_millis;
            record(&mut random, *position, 0, Times { observed, received: now })
        });
        let batch = lambda_event(&records.collect::<Vec<_>>());
        memory.state().now = Timestamp::from_millis(now).context("a time")?;
        cost.ledger += paid(&memory, || {
            let answer = processor.handle(invocation(&batch)?).now_or_never();
            answer.context("the memory store never waits")??;
            Ok(())
        })?;
        if !has_feeds {
            continue;
        }
        let event = relay.event();
        cost.relay += paid(&memory, || relay.handle(&event).map(drop))?;
        if now - swept >= 60_000 {
            swept = now;
            sweep(&memory, &mut relay, &mut cost)?;
        }
    }
    // The subject falls silent.
    if has_feeds {
        for minute in 1..=10 {
            let later = now + minute * 60_000;
            memory.state().now = Timestamp::from_millis(later).context("a time")?;
            sweep(&memory, &mut relay, &mut cost)?;
        }
    }
    cost.records = relay.sent();
    Ok(cost)
}

/// A sweep, and what it makes the relay send.
fn sweep(memory: &Memory, relay: &mut Follower, cost: &mut Cost) -> anyhow::Result<()> {
    cost.sweeps += paid(memory, || relay.handle(SWEEP).map(drop))?;
    let event = relay.event();
    cost.relay += paid(memory, || relay.handle(&event).map(drop))?;
    Ok(())
}
