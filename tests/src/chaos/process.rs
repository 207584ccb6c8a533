//! The host as a process, which is killed without a word and started again on the same folder.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::http::Call;

/// How often something is looked at that takes its time.
const LOOK: Duration = Duration::from_millis(10);
/// Of the demo tenant.
const KEY: &str = "drover-demo-key";
/// Longer than anything takes on a busy machine.
const WITHIN: Duration = Duration::from_secs(180);

/// Where the host is at the moment, for all clients.
#[derive(Clone, Debug, Default)]
pub struct Addresses(Arc<Mutex<Option<SocketAddr>>>);

impl Addresses {
    /// Of its HTTP port, while it runs.
    pub fn http(&self) -> Option<SocketAddr> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, address: Option<SocketAddr>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = address;
    }
}

/// A running host, which ends with this value.
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
    /// It ended, or does not answer.
    pub async fn start(program: &Path, data: &Path) -> Result<Self, String> {
        Self::start_with(program, data, Vec::new()).await
    }

    /// The same with more words on its command line.
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

    /// The process, for the system.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where it is.
    pub fn addresses(&self) -> Addresses {
        self.addresses.clone()
    }

    /// The HTTP port of a host that runs.
    pub async fn http(&self) -> SocketAddr {
        loop {
            match self.addresses.http() {
                Some(address) => return address,
                None => tokio::time::sleep(LOOK).await,
            }
        }
    }

    /// Kills it in whatever it does, and starts it again.
    ///
    /// # Errors
    /// It does not come back.
    pub async fn kill_and_restart(&mut self) -> Result<(), String> {
        self.child.kill().map_err(|fault| format!("killing the host: {fault}"))?;
        self.child.wait().map_err(|fault| format!("waiting for its end: {fault}"))?;
        self.addresses.set(None);
        self.child = spawn(&self.program, &self.data, &self.words)?;
        self.wait_for_note().await
    }

    /// Waits for something to become true.
    ///
    /// # Errors
    /// It does not.
    pub async fn until(&self, mut reached: impl FnMut() -> bool) -> Result<(), String> {
        let started = Instant::now();
        while !reached() {
            if started.elapsed() > WITHIN {
                return Err("nothing goes on any more".to_owned());
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Waits until everything in the stream and in the buffer is processed.
    ///
    /// # Errors
    /// It never is.
    pub async fn drained(&self) -> Result<(), String> {
        let started = Instant::now();
        while started.elapsed() < WITHIN {
            let stream = self.metrics().await.is_some_and(|metrics| metrics.is_drained());
            // In this order: what leaves the stream may go into the buffer.
            if stream && self.buffered().await == Some(0) {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
        Err("the stream or the buffer is not drained".to_owned())
    }

    /// How many messages the buffer holds, those in somebody's hand included.
    async fn buffered(&self) -> Option<u64> {
        let answer = Call::get("/buffer/stats").send(self.http().await, KEY).await?;
        let count = |name: &str| answer.json.get(name)?.as_u64();
        Some(count("waiting")? + count("in_flight")?)
    }

    /// What it counts, where it answers.
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
            // A note of another process was left behind by the one that was killed.
            if let Some(address) = note(&self.data, self.child.id()) {
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
        // Fails when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What `GET /metrics` said.
pub struct Metrics(String);

impl Metrics {
    /// The values of a metric, added up over its labels.
    pub fn sum(&self, name: &str) -> f64 {
        self.sum_of(name, "")
    }

    /// The same, of the series that have this label, written as `name="value"`.
    pub fn sum_of(&self, name: &str, label: &str) -> f64 {
        let values = self.0.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let is_it = rest.starts_with([' ', '{']) && rest.contains(label);
            is_it.then(|| rest.rsplit(' ').next()?.parse::<f64>().ok())?
        });
        values.sum()
    }

    /// Whether the stream is read, and nothing in it waits.
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

/// The HTTP address that a process wrote down.
fn note(folder: &Path, pid: u32) -> Option<SocketAddr> {
    let text = std::fs::read_to_string(folder.join("host.json")).ok()?;
    let note: Value = serde_json::from_str(&text).ok()?;
    let of_process = note.get("pid")?.as_u64() == Some(pid.into());
    of_process.then(|| note.get("http")?.as_str()?.parse().ok())?
}
