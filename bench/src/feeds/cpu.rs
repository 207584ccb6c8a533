//! CPU time per event of the processor and of the relay, alternately in one thread over the memory store.
//! The target of the feeds takes every record at once, so that the client of a target is not measured.

use anyhow::Context as _;
use drover_core::base::time::Timestamp;
use futures_util::FutureExt as _;

use super::change_stream::{Follower, store};
use crate::cpu::timed;
use crate::load::{Load, invocation, processor};
use crate::print;

const SUBJECTS: usize = 100;
const ROUNDS: usize = 7;
const BATCHES: usize = 40;

pub(super) fn run() -> anyhow::Result<()> {
    for (per_subject, is_late) in [(1, false), (5, false), (5, true)] {
        measure(per_subject, is_late)?;
    }
    Ok(())
}

fn measure(per_subject: usize, is_late: bool) -> anyhow::Result<()> {
    let now = Timestamp::from_millis(1_800_000_000_000).context("now")?;
    let memory = store(now, true);
    let (processor, mut relay) = (processor(memory.clone()), Follower::new(memory));
    let events = i64::try_from(ROUNDS * BATCHES * per_subject)?;
    let mut load = Load::new(SUBJECTS, events, is_late);
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let (mut processing, mut relaying) = (0, 0);
        for batch in (0..BATCHES).map_while(|_| load.batch(per_subject)).collect::<Vec<_>>() {
            processing += timed(|| {
                let answer = processor.handle(invocation(&batch)?).now_or_never();
                answer.context("the memory store never waits")??;
                Ok(())
            })?;
            let event = relay.event();
            relaying += timed(|| relay.handle(&event).map(drop))?;
        }
        rounds.push((relaying, processing));
    }
    rounds.sort_unstable();
    let (relaying, processing) = rounds.get(ROUNDS / 2).copied().unwrap_or_default();
    let events = (BATCHES * SUBJECTS * per_subject) as u64;
    let micros = |nanos: u64| nanos as f64 / events as f64 / 1_000.0;
    print(&format!(
        "{per_subject} events of each of {SUBJECTS} subjects a batch, {} late: relay {:.1} µs, processor {:.1} µs of CPU \
         per event, ratio {:.2}",
        if is_late { "10 %" } else { "none" },
        micros(relaying),
        micros(processing),
        relaying as f64 / processing as f64,
    ));
    Ok(())
}
