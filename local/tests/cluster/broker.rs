//! Apache Kafka as a process, on three free ports: without credentials, with SASL (SCRAM-SHA-512 and
//! PLAIN), and for its controller.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::services::{Fault, Services};

/// The user of the SASL listener.
pub(crate) const USER: &str = "app";
/// The user's password.
pub(crate) const PASSWORD: &str = "app-secret";
/// PLAIN beside SCRAM on the SASL listener, under the names that both starting scripts give it.
const PLAIN: &str = concat!(
    "sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN\n",
    "listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule ",
    "required user_app=\"app-secret\";\n",
    "listener.name.secured.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule ",
    "required user_app=\"app-secret\";\n",
);
/// How soon a killed broker may register again. Kafka's default is three times as long.
const SOON: &str = "broker.session.timeout.ms=3000\nbroker.heartbeat.interval.ms=500";
/// A broker that stays up keeps the default, so that a slow machine does not count it as dead.
const AS_IT_IS: &str = "";
const PORTS: u16 = 3;
const WITHIN: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(20);

/// The broker that all facts share, except those that kill one.
static SHARED: OnceLock<Mutex<Option<Broker>>> = OnceLock::new();

/// A broker. Dropping it ends the process.
pub(crate) struct Broker {
    folder: TempDir,
    port: u16,
    settings: &'static str,
    pid: u32,
}

/// The addresses of the shared broker.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    /// Without credentials.
    pub(crate) plain: String,
    /// With SASL.
    pub(crate) scram: String,
}

/// The shared broker; the first caller starts it.
pub(crate) fn shared() -> Addresses {
    let mut broker = lock();
    broker.get_or_insert_with(warm).addresses()
}

/// A broker that has acknowledged a record.
fn warm() -> Broker {
    let broker = Broker::with(AS_IT_IS);
    let plain = broker.addresses().plain;
    // The caller already has a runtime, in which another runtime cannot block.
    let warmed = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(crate::topic::warm(&plain));
    });
    warmed.join().unwrap();
    broker
}

/// Stops the shared broker, if it runs.
pub(crate) fn stop() {
    drop(lock().take());
}

fn lock() -> std::sync::MutexGuard<'static, Option<Broker>> {
    SHARED.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

impl Broker {
    /// Starts an empty broker that may be killed, and waits until it answers.
    pub(crate) fn start() -> Self {
        Self::with(SOON)
    }

    fn with(settings: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_ports();
        let pid = spawn(port, folder.path(), settings);
        Self { folder, port, settings, pid }
    }

    /// The broker's addresses.
    pub(crate) fn addresses(&self) -> Addresses {
        let at = |port| format!("127.0.0.1:{port}");
        Addresses { plain: at(self.port), scram: at(self.port + 1) }
    }

    /// Kills the broker at any point.
    pub(crate) fn kill(&mut self) {
        self.end("-KILL");
        if Fault::TruncatedLog.is_on() {
            truncate(&self.folder.path().join("data"));
        }
    }

    /// Stops the broker, and waits until it has ended.
    pub(crate) fn stop(&mut self) {
        self.end("-TERM");
    }

    /// Starts the broker again with its data.
    pub(crate) fn start_again(&mut self) {
        self.pid = spawn(self.port, self.folder.path(), self.settings);
    }

    fn has_ended(&self) -> bool {
        has_ended(self.pid, self.port)
    }

    fn end(&self, signal: &str) {
        let pid = self.pid.to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        wait("the broker's end", || self.has_ended());
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Fails if the broker has ended already; its folder must outlive the process.
        let _ = Command::new("kill").args(["-KILL", &self.pid.to_string()]).output();
        let started = Instant::now();
        while !self.has_ended() && started.elapsed() < WITHIN {
            std::thread::park_timeout(LOOK);
        }
    }
}

/// A stopped broker releases its ports long before it ends; a killed broker releases them after it
/// ends.
fn has_ended(pid: u32, port: u16) -> bool {
    let line = std::fs::read(format!("/proc/{pid}/cmdline"));
    let listens = |port| TcpStream::connect(("127.0.0.1", port)).is_ok();
    line.map_or(true, |line| line.is_empty()) && !(port..port + PORTS).any(listens)
}

/// The first port of a free range that was not returned before, because a broker binds its ports
/// seconds later.
fn free_ports() -> u16 {
    static GIVEN: Mutex<Vec<u16>> = Mutex::new(Vec::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    loop {
        // Below the ephemeral ports, which the system could assign to a client in between.
        let port = fastrand::u16(15_000..30_000);
        let is_new = given.iter().all(|other| other.abs_diff(port) >= PORTS);
        if is_new && (port..port + PORTS).all(is_free) {
            given.push(port);
            return port;
        }
    }
}

/// Starts a broker, with a second attempt if the first was too slow: the script waits at least a
/// minute, and then stops the broker.
fn spawn(port: u16, folder: &Path, settings: &str) -> u32 {
    try_spawn(port, folder, settings).unwrap_or_else(|_| {
        let failed = std::fs::read_to_string(folder.join("pid")).unwrap_or_default();
        if let Ok(pid) = failed.trim().parse() {
            wait("the end of a broker that was too slow", || has_ended(pid, port));
        }
        try_spawn(port, folder, settings).unwrap_or_else(|fault| panic!("{fault}"))
    })
}

fn try_spawn(port: u16, folder: &Path, settings: &str) -> Result<u32, String> {
    let script = Services::needed().scripts.join("kafka.sh");
    let mut command = Command::new(&script);
    command.arg(port.to_string()).arg(folder);
    command.envs([
        ("KAFKA_USER", USER),
        ("KAFKA_PASS", PASSWORD),
        ("KAFKA_PROPS", &format!("{PLAIN}{settings}")),
    ]);
    let output = command.output().unwrap();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{}: {said}", script.display()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().parse().unwrap())
}

fn wait(what: &str, mut reached: impl FnMut() -> bool) {
    let started = Instant::now();
    while !reached() {
        assert!(started.elapsed() < WITHIN, "never: {what}");
        std::thread::park_timeout(LOOK);
    }
}

/// Removes the second half of every partition's log, like a disk that loses acknowledged writes.
fn truncate(folder: &Path) {
    let partitions = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_ours = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        path.is_dir() && !name.starts_with("__")
    };
    for partition in partitions.filter(is_ours) {
        for file in std::fs::read_dir(partition).unwrap().map(|entry| entry.unwrap().path()) {
            if file.extension().is_some_and(|extension| extension == "log") {
                let file = std::fs::OpenOptions::new().write(true).open(file).unwrap();
                file.set_len(file.metadata().unwrap().len() / 2).unwrap();
            }
        }
    }
}
