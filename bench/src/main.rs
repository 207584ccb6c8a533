//! Measures the numbers that the design promises, with the code as shipped. `cargo run --release -p
//! drover-bench -- units | deep | model | cpu | memory | scale | http | chaos | letters | cold | transform | feeds | peer`;
//! every figure is printed with its conditions.
//!
//! - [`chaos`]: the long form of the chaos test
//! - [`cold`]: the time of a function's process to its first poll and its first response
//! - [`feeds`]: units and CPU time of feeds and alerts per event, and the time from a commit to a feed
//! - [`http`]: the host under a load tool: latency of batches, events per second
//! - [`units`]: write and read units per event, as the embedded DynamoDB counts them
//! - [`cpu`]: CPU time of the processor per record, as a ratio to bare parsing in the same run
//! - [`deep`]: units of late events, however late, and of backlogs
//! - [`model`]: the model test of the ledger, for as long as wanted
//! - [`memory`]: resident memory of a warm processor
//! - [`letters`]: dead letters filed, counted and replayed on the host
//! - [`scale`]: speed, memory and units over a long run: a million events of a hundred thousand
//!   subjects
//! - [`transform`]: CPU time of one event of a contract with a transform
//! - [`peer`]: Drover's part of the comparison in `bench/peers`
//! - [`load`]: the events of all benchmarks

// The SDK's futures nest deeper than the default limit of 128.
#![recursion_limit = "256"]

use anyhow::bail;

mod chaos;
mod cold;
mod cpu;
mod deep;
mod feeds;
mod http;
mod letters;
mod load;
mod memory;
mod model;
mod peer;
mod scale;
mod transform;
mod units;

/// The allocator of the processor.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("units") => units::run(),
        Some("cpu") => cpu::run(arguments.next()),
        Some("deep") => deep::run(arguments),
        Some("model") => model::run(arguments),
        Some("memory") => memory::run(),
        // The child process of `memory`.
        Some("memory-of") => memory::run_child(arguments.next()),
        Some("scale") => scale::run(arguments),
        // The child process of `scale`.
        Some("scale-of") => scale::handler::run_child(),
        Some("http") => http::run(arguments.next()),
        Some("chaos") => chaos::run(arguments.next()),
        Some("cold") => cold::run(arguments.next()),
        Some("letters") => letters::run(arguments.next()),
        Some("feeds") => feeds::run(arguments.next()),
        Some("transform") => transform::run(),
        Some("peer") => peer::run(arguments),
        _ => bail!(
            "usage: drover-bench units | deep [EVENTS…] | model [CASES|DURATION [SEED]] | cpu [BATCHES] | memory | scale [EVENTS [SUBJECTS [SVG [ORDER]]]] | \
             http [SECONDS] | chaos [EVENTS] | letters [COUNT] | cold [FOLDER] | transform | feeds [units|alerts|cpu|latency] | \
             peer parse|memory|dynamodb FOLDER [DYNAMODB SQS]"
        ),
    }
}

/// Prints a line of results.
#[expect(clippy::print_stdout, reason = "printing is what this program is for")]
fn print(line: &str) {
    println!("{line}");
}
