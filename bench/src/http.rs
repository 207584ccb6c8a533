//! A host under the load of `wrk`: batches of 100 events over HTTP into the embedded event log,
//! while the processor works on them. Measures latency and accepted events per second as the load
//! tool sees them, and the time that the processor then needs for the rest.
//!
//! `cargo build --release -p drover-local -p drover-bench && target/release/drover-bench http`,
//! with wrk installed (`apt install wrk`).

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use drover_tests::chaos::process::Process;

use crate::print;

const SECONDS: u32 = 10;
/// One connection that sends as fast as it gets responses exceeds the target; more connections
/// would measure a queue.
const CONNECTIONS: &str = "1";
const EVENTS_PER_REQUEST: f64 = 100.0;
const LOOK: Duration = Duration::from_millis(100);
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/http/batches.lua");
const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config");

pub(crate) fn run(seconds: Option<String>) -> anyhow::Result<()> {
    let seconds = match seconds {
        Some(text) => {
            text.parse().with_context(|| format!("invalid number of seconds: `{text}`"))?
        }
        None => SECONDS,
    };
    tokio::runtime::Runtime::new().context("a runtime")?.block_on(measure(seconds))
}

/// The host's program, in the same folder as this one.
pub(crate) fn program() -> anyhow::Result<PathBuf> {
    let program =
        std::env::current_exe().context("where this program is")?.with_file_name("drover");
    if !program.exists() {
        bail!("build the host first, with `cargo build --release`: path=`{}`", program.display());
    }
    Ok(program)
}

async fn measure(seconds: u32) -> anyhow::Result<()> {
    let (program, data) = (program()?, tempfile::tempdir().context("a folder for the host")?);
    let host = Process::start(&program, data.path()).await.map_err(|fault| anyhow!(fault))?;
    let applied =
        Command::new(&program).args(["apply", CONFIG, "--data"]).arg(data.path()).output();
    if !applied.context("applying the load tenant")?.status.success() {
        bail!("the load tenant could not be applied");
    }
    let started = Instant::now();
    let address = host.http().await;
    let result = tokio::task::spawn_blocking(move || wrk(&address.to_string(), seconds)).await??;
    let sent = started.elapsed();
    print(&format!(
        "ingest: {:.0} events/s accepted in batches of 100; p50 {:.1} ms, p95 {:.1} ms, p99 {:.1} ms, \
         longest {:.1} ms; {} of {} requests failed",
        result.requests * EVENTS_PER_REQUEST / result.seconds,
        result.p50,
        result.p95,
        result.p99,
        result.longest,
        result.failed,
        result.requests
    ));
    let processed = processed(&host).await?;
    print(&format!(
        "processor at the same time: {:.0} events/s into the embedded DynamoDB",
        processed / sent.as_secs_f64()
    ));
    let (left, began) = (result.requests * EVENTS_PER_REQUEST - processed, Instant::now());
    while !host.metrics().await.is_some_and(|metrics| metrics.is_drained()) {
        tokio::time::sleep(LOOK).await;
    }
    let rate = left / began.elapsed().as_secs_f64();
    print(&format!("processor alone: {rate:.0} events/s for the {left:.0} that were left"));
    Ok(())
}

async fn processed(host: &Process) -> anyhow::Result<f64> {
    let metrics = host.metrics().await.context("the host returns no metrics")?;
    Ok(metrics.sum("events_processed_total"))
}

/// The result of wrk; latencies in milliseconds.
struct LoadResult {
    requests: f64,
    seconds: f64,
    p50: f64,
    p95: f64,
    p99: f64,
    longest: f64,
    failed: f64,
}

fn wrk(address: &str, seconds: u32) -> anyhow::Result<LoadResult> {
    let url = format!("http://{address}/api/v1/events");
    let duration = format!("{seconds}s");
    let output = Command::new("wrk")
        .args(["-t", "1", "-c", CONNECTIONS, "-d", &duration, "-s", SCRIPT, &url])
        .output()
        .context("cannot start wrk, install it (apt install wrk)")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.strip_prefix("RESULT "));
    let line = line.with_context(|| format!("no result from wrk: {text}"))?;
    let numbers: Vec<f64> = line.split(' ').filter_map(|text| text.parse().ok()).collect();
    let [requests, micros, p50, p95, p99, longest, failed] = numbers[..] else {
        bail!("unknown result of wrk: {line}");
    };
    let millis = |micros: f64| micros / 1e3;
    Ok(LoadResult {
        requests,
        seconds: micros / 1e6,
        p50: millis(p50),
        p95: millis(p95),
        p99: millis(p99),
        longest: millis(longest),
        failed,
    })
}
