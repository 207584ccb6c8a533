//! The host as a process, which is killed without a word and started again on the same folder.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Plan;
use crate::http::Call;

/// How often something is looked at that takes its time.
const LOOK: Duration = Duration::from_millis(10);
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
    child: Child,
    addresses: Addresses,
}

impl Process {
    /// Starts a host, and waits until it answers.
    ///
    /// # Errors
    /// It ended, or does not answer.
    pub async fn start(plan: &Plan) -> Result<Self, String> {
        let child = spawn(plan)?;
        let mut host = Self { child, addresses: Addresses::default() };
        host.wait_for_note(plan).await?;
        Ok(host)
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
    pub async fn kill_and_restart(&mut self, plan: &Plan) -> Result<(), String> {
        self.child.kill().map_err(|fault| format!("killing the host: {fault}"))?;
        self.child.wait().map_err(|fault| format!("waiting for its end: {fault}"))?;
        self.addresses.set(None);
        self.child = spawn(plan)?;
        self.wait_for_note(plan).await
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

    /// Waits until everything in the stream is processed.
    ///
    /// # Errors
    /// It never is, or something waits in a queue.
    pub async fn drained(&self) -> Result<(), String> {
        let started = Instant::now();
        while started.elapsed() < WITHIN {
            let metrics = Call::get("/metrics").send(self.http().await, "").await;
            let text = metrics.filter(|answer| answer.status == 200).map(|answer| answer.text);
            if let Some(text) = text
                && sum(&text, "assigned_partitions_count") > 0.0
                && sum(&text, "consumer_lag") == 0.0
            {
                let waiting = sum(&text, "buffer_waiting") + sum(&text, "dead_letters_waiting");
                let quiet = waiting == 0.0;
                return if quiet { Ok(()) } else { Err(format!("in the queues: {waiting}")) };
            }
            tokio::time::sleep(10 * LOOK).await;
        }
        Err("the stream is not drained".to_owned())
    }

    async fn wait_for_note(&mut self, plan: &Plan) -> Result<(), String> {
        let started = Instant::now();
        while started.elapsed() < WITHIN {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("the host ended: {status}"));
            }
            // A note of another process was left behind by the one that was killed.
            if let Some(address) = note(&plan.data, self.child.id()) {
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

fn spawn(plan: &Plan) -> Result<Child, String> {
    let free = "127.0.0.1:0";
    let mut command = Command::new(&plan.program);
    for port in ["--http", "--lambda", "--dynamodb", "--sqs"] {
        command.args([port, free]);
    }
    command.arg("--data").arg(&plan.data).stdin(Stdio::null()).stdout(Stdio::null());
    command.spawn().map_err(|fault| format!("{}: {fault}", plan.program.display()))
}

/// The HTTP address that a process wrote down.
fn note(folder: &Path, pid: u32) -> Option<SocketAddr> {
    let text = std::fs::read_to_string(folder.join("host.json")).ok()?;
    let note: Value = serde_json::from_str(&text).ok()?;
    let of_process = note.get("pid")?.as_u64() == Some(pid.into());
    of_process.then(|| note.get("http")?.as_str()?.parse().ok())?
}

/// The values of a metric, added up over its labels.
fn sum(text: &str, name: &str) -> f64 {
    let values = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        rest.starts_with([' ', '{']).then(|| rest.rsplit(' ').next()?.parse::<f64>().ok())?
    });
    values.sum()
}
