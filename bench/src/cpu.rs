//! CPU time per record of the whole handler over the memory store, compared with bare parsing of
//! the same event: the outer event record by record, base64, and the value into a
//! `serde_json::Value`. Both run alternately in one thread, so that the ratio holds when the
//! machine's speed drifts.

use std::hint::black_box;

use anyhow::Context as _;
use drover_core::base::time::Timestamp;
use drover_core::memory::Memory;
use futures_util::FutureExt;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::load::{DOCUMENTS, Load, invocation, processor};
use crate::print;

const SUBJECTS: usize = 100;
const PER_SUBJECT: usize = 5;
const ROUNDS: usize = 7;
/// Long enough to exceed the resolution of the kernel's clock tick.
const BATCHES_PER_ROUND: usize = 80;

/// For a tool that counts instructions, a few `batches` per round are enough.
pub(crate) fn run(batches: Option<String>) -> anyhow::Result<()> {
    let batches_per_round = batches.map_or(Ok(BATCHES_PER_ROUND), |batches| batches.parse())?;
    let events = ROUNDS * batches_per_round * PER_SUBJECT;
    let mut load = Load::new(SUBJECTS, i64::try_from(events)?, false);
    let memory = Memory::new(Timestamp::from_millis(1_800_000_000_000).context("now")?);
    for (key, json) in DOCUMENTS {
        memory.put_document(key, json);
    }
    let processor = processor(memory);
    let mut ratios = Vec::new();
    for round in 0..ROUNDS {
        let batches: Vec<String> =
            (0..batches_per_round).map_while(|_| load.batch(PER_SUBJECT)).collect();
        let records = batches_per_round * SUBJECTS * PER_SUBJECT;
        let parsing = timed(|| batches.iter().try_for_each(|batch| parse(batch)))?;
        let processing = timed(|| {
            batches.iter().try_for_each(|batch| {
                let answer = processor.handle(invocation(batch)?).now_or_never();
                let answer = answer.context("the memory store never waits")??;
                anyhow::ensure!(answer.batch_item_failures.is_empty(), "records were returned");
                Ok(())
            })
        })?;
        let per_record = |nanos: u64| nanos / records as u64;
        #[expect(clippy::cast_precision_loss, reason = "nanoseconds of seconds")]
        let ratio = processing as f64 / parsing as f64;
        print(&format!(
            "round {round}: parsing {} ns, processing {} ns per record, ratio {ratio:.2}",
            per_record(parsing),
            per_record(processing),
        ));
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    let median = ratios.get(ROUNDS / 2).copied().unwrap_or_default();
    print(&format!(
        "median ratio {median:.2} ({SUBJECTS} subjects, {PER_SUBJECT} events of each per batch)"
    ));
    Ok(())
}

/// The CPU time of this thread for `work`, in nanoseconds.
pub(crate) fn timed(work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<u64> {
    let before = on_cpu()?;
    work()?;
    Ok(on_cpu()? - before)
}

/// The CPU time of this thread, from the first number of `/proc/thread-self/schedstat`.
pub(crate) fn on_cpu() -> anyhow::Result<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    text.split_whitespace().next().context("schedstat")?.parse().context("schedstat")
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    records: std::collections::BTreeMap<&'a str, Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "parsed for the sake of parsing")]
struct Record<'a> {
    topic: &'a str,
    partition: i32,
    offset: i64,
    timestamp: i64,
    key: &'a str,
    value: &'a str,
    headers: Vec<std::collections::BTreeMap<&'a str, Vec<i16>>>,
}

pub(crate) fn parse(batch: &str) -> anyhow::Result<()> {
    let event: Event<'_> = serde_json::from_str(batch)?;
    for raw in event.records.into_values().flatten() {
        let record: Record<'_> = serde_json::from_str(raw.get())?;
        let value = base64_simd::STANDARD.decode_to_vec(record.value)?;
        black_box(serde_json::from_slice::<Value>(&value)?);
        black_box(record);
    }
    Ok(())
}
