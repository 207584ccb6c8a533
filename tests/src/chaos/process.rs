//! The host as a process that is killed and restarted on the same folder.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::http::Call;

/// The polling interval.
const LOOK: Duration = Duration::from_millis(10);
/// The key of the demo tenant.
const KEY: &str = "drover-demo-key";
/// Longer than any step takes on a busy machine.
const WITHIN: Duration = Duration::from_secs(180);

/// The current address of the host, shared by all clients.
#[derive(Clone, Debug, Default)]
pub struct Addresses(Arc<Mutex<Option<SocketAddr>>>);

impl Addresses {
    /// The address of the HTTP port, while the host runs.
    pub fn http(&self) -> Option<SocketAddr> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, address: Option<SocketAddr>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = address;
    }
}

/// A running host. Dropping it ends the process.
pub struct Process {
    program: PathBuf,
    data: PathBuf,
    words: Vec<String>,
    child: Child,
    addresses: Addresses,
}

impl Process {
    /// Starts a host, and waits until it answers.
    ///
    /// # Errors
    /// The host ended, or does not answer.
    pub async fn start(program: &Path, data: &Path) -> Result<Self, String> {
        Self::start_with(program, data, Vec::new()).await
    }

    /// Like [`Self::start`], with extra arguments.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_with(
        program: &Path,
        data: &Path,
        words: Vec<String>,
    ) -> Result<Self, String> {
        let (program, data) = (program.to_owned(), data.to_owned());
        let child = spawn(&program, &data, &words)?;
        let mut host = Self { program, data, words, child, addresses: Addresses::default() };
        host.wait_for_note().await?;
        Ok(host)
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The addresses of the host.
    pub fn addresses(&self) -> Addresses {
        self.addresses.clone()
    }

    /// The HTTP port, once the host runs.
    pub async fn http(&self) -> SocketAddr {
        loop {
            match self.addresses.http() {
                Some(address) => return address,
                None => tokio::time::sleep(LOOK).await,
            }
        }
    }

    /// The DynamoDB port, while the host runs.
    ///
    /// # Errors
    /// The host has left no note.
    pub fn dynamodb(&self) -> Result<SocketAddr, String> {
        address(&self.data, self.child.id(), "dynamodb").ok_or_else(|| "no note".to_owned())
    }

    /// Kills the host at any point, and starts it again.
    ///
    /// # Errors
    /// The host does not restart.
    pub async fn kill_and_restart(&mut self) -> Result<(), String> {
        self.child.kill().map_err(|fault| format!("killing the host: {fault}"))?;
        self.child.wait().map_err(|fault| format!("waiting for its end: {fault}"))?;
        self.addresses.set(None);
        self.child = spawn(&self.program, &self.data, &self.words)?;
        self.wait_for_note().await
    }

    /// Waits for a condition.
    ///
    /// # Errors
    /// The condition stays false.
    pub async fn until(&self, mut reached: impl FnMut() -> bool) -> Result<(), String> {
        let started = Instant::now();
        while !reached() {
            if started.elapsed() > WITHIN {
                return Err("the condition was not met in time".to_owned());
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Waits until every record in the event log and in the buffer is processed.
    ///
    /// # Errors
    /// The timeout passes first.
    pub async fn drained(&self) -> Result<(), String> {
        let started = Instant::now();
        while started.elapsed() < WITHIN {
            let stream = self.metrics().await.is_some_and(|metrics| metrics.is_drained());
            // In this order, because a record may move from the event log to the buffer.
            if stream && self.buffered().await == Some(0) {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
        Err("the event log or the buffer is not drained".to_owned())
    }

    /// The number of messages in the buffer, including those in flight.
    async fn buffered(&self) -> Option<u64> {
        let answer = Call::get("/buffer/stats").send(self.http().await, KEY).await?;
        let count = |name: &str| answer.json.get(name)?.as_u64();
        Some(count("waiting")? + count("in_flight")?)
    }

    /// The metrics, if the host answers.
    pub async fn metrics(&self) -> Option<Metrics> {
        let answer = Call::get("/metrics").send(self.http().await, "").await?;
        (answer.status == 200).then_some(Metrics(answer.text))
    }

    async fn wait_for_note(&mut self) -> Result<(), String> {
        let started = Instant::now();
        while started.elapsed() < WITHIN {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("the host ended: {status}"));
            }
            // The killed host may have left a note with another process id.
            if let Some(address) = address(&self.data, self.child.id(), "http") {
                self.addresses.set(Some(address));
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
        Err("the host does not start".to_owned())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails if the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The text of `GET /metrics`.
pub struct Metrics(String);

impl Metrics {
    /// The sum of a metric over its labels.
    pub fn sum(&self, name: &str) -> f64 {
        self.sum_of(name, "")
    }

    /// The sum over the series with this label, written as `name="value"`.
    pub fn sum_of(&self, name: &str, label: &str) -> f64 {
        let values = self.0.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let is_it = rest.starts_with([' ', '{']) && rest.contains(label);
            is_it.then(|| rest.rsplit(' ').next()?.parse::<f64>().ok())?
        });
        values.sum()
    }

    /// Whether the event log is assigned, and has no lag.
    pub fn is_drained(&self) -> bool {
        self.sum("assigned_partitions_count") > 0.0 && self.sum("consumer_lag") == 0.0
    }
}

fn spawn(program: &Path, data: &Path, words: &[String]) -> Result<Child, String> {
    let free = "127.0.0.1:0";
    let mut command = Command::new(program);
    for port in ["--http", "--lambda", "--dynamodb", "--sqs"] {
        command.args([port, free]);
    }
    command
        .args(["--log", "warn"])
        .arg("--data")
        .arg(data)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command.spawn().map_err(|fault| format!("{}: {fault}", program.display()))
}

/// An address in the note of a process.
fn address(folder: &Path, pid: u32, name: &str) -> Option<SocketAddr> {
    let text = std::fs::read_to_string(folder.join("host.json")).ok()?;
    let note: Value = serde_json::from_str(&text).ok()?;
    let of_process = note.get("pid")?.as_u64() == Some(pid.into());
    of_process.then(|| note.get(name)?.as_str()?.parse().ok())?
}
