//! The handler in a child process, so that CPU time and memory are its own: the real processor on
//! the real SDK, configured by the variables of a deployment. Input: one Lambda event per line;
//! output: one line with the measurements.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, ensure};
use drover_core::base::metrics::{Meter, Metric, Tally};
use drover_core::base::time::Timestamp;
use drover_local::data_folder::Addresses;
use drover_processor::Processor;
use drover_processor::config::Config;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::load::invocation;
use crate::print;

/// The measurements of one or several invocations.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Taken {
    /// Wall time from the event to the response.
    pub(crate) seconds: f64,
    /// CPU time of this process.
    pub(crate) cpu_seconds: f64,
    /// Resident memory afterwards.
    pub(crate) resident_bytes: u64,
    /// Events applied to a history.
    pub(crate) applied: f64,
    /// Subjects without an earlier history.
    pub(crate) new_subjects: f64,
    pub(crate) write_units: f64,
    pub(crate) read_units: f64,
}

/// The child process, seen from its parent.
pub(crate) struct Handler {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Handler {
    /// Starts the child on the services of a host.
    pub(crate) fn start(addresses: &Addresses) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("scale-of").env_clear().envs(variables(addresses));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().context("an output")?);
        Ok(Self { child, input, output })
    }

    /// Sends an event and waits for the measurements.
    pub(crate) fn handle(&mut self, event: &str) -> anyhow::Result<Taken> {
        let input = self.input.as_mut().context("an input")?;
        writeln!(input, "{event}")?;
        input.flush()?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        serde_json::from_str(&line).context("the handler did not respond")
    }
}

/// The child ends when its input is closed.
impl Drop for Handler {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.child.wait();
    }
}

/// The variables of Lambda and `template.yaml`, with the addresses of a host's services.
fn variables(addresses: &Addresses) -> Vec<(&'static str, String)> {
    let queue = |name: &str| format!("http://{}/000000000000/drover-{name}", addresses.sqs);
    [
        ("AWS_ENDPOINT_URL_DYNAMODB", format!("http://{}", addresses.dynamodb)),
        ("AWS_ENDPOINT_URL_SQS", format!("http://{}", addresses.sqs)),
        ("DROVER_DEAD_LETTER_QUEUE_URL", queue("dead-letters")),
        ("DROVER_BUFFER_QUEUE_URL", queue("buffer")),
    ]
    .into_iter()
    .chain(
        [
            // Less than in the template, so that the heads of a run exceed the cache.
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1024"),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("DROVER_LEDGER_TABLE", "drover-ledger"),
            ("DROVER_REGISTRY_TABLE", "drover-registry"),
            ("DROVER_CONCURRENCY", "100"),
        ]
        .map(|(name, value)| (name, value.to_owned())),
    )
    .collect()
}

/// Keeps the counts of the last invocation.
#[derive(Default)]
struct Counts(Mutex<Tally>);

impl Counts {
    fn take(&self) -> Tally {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Meter for Counts {
    fn record(&self, _: &'static str, tally: &Tally, _: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = tally.clone();
    }
}

/// The child process.
pub(crate) fn run_child() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let counts = Arc::new(Counts::default());
    #[expect(clippy::disallowed_methods, reason = "stands for a function's main.rs")]
    let config = Config::read(|name| std::env::var(name).ok())?;
    let meter = Arc::clone(&counts) as Arc<dyn Meter>;
    let processor = runtime.block_on(Processor::load(config, meter));
    let mut input = std::io::stdin().lock();
    let mut line = String::new();
    while input.read_line(&mut line)? > 0 {
        let event = invocation(line.trim_end())?;
        line.clear();
        let (started, cpu) = (Instant::now(), cpu_seconds(ClockId::ProcessCPUTime));
        let answer = runtime.block_on(processor.handle(event))?;
        let (seconds, cpu) =
            (started.elapsed().as_secs_f64(), cpu_seconds(ClockId::ProcessCPUTime) - cpu);
        ensure!(answer.batch_item_failures.is_empty(), "records were returned");
        let tally = counts.take();
        let taken = Taken {
            seconds,
            cpu_seconds: cpu,
            resident_bytes: resident_bytes()?,
            applied: tally.total(Metric::EventsProcessed),
            new_subjects: tally.total(Metric::UniqueDevices),
            write_units: tally.total(Metric::WriteUnits),
            read_units: tally.total(Metric::ReadUnits),
        };
        print(&serde_json::to_string(&taken)?);
    }
    Ok(())
}

/// The CPU time of this process or thread.
pub(crate) fn cpu_seconds(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// `VmRSS` of this process.
fn resident_bytes() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    let number = line.split_whitespace().next().context("VmRSS")?;
    Ok(number.parse::<u64>()? * 1024)
}
