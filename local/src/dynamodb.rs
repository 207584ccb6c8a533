//! The embedded DynamoDB: dynoxide over one SQLite file, on its own threads.
//!
//! It has its own threads because SQLite works on the calling thread, which would block the host's
//! workers and so every function. A sweep deletes expired items, some time after they expire as on
//! AWS; so readers must check the expiry themselves. The same sweep deletes stream records that are
//! older than a day.
//!
//! Not implemented: rejecting requests from web pages, as the host's other services do. dynoxide
//! builds its routes itself and lets every origin read its answers, so a web page in a browser on
//! this machine can reach this port. A proxy in front would cost every function a hop on every
//! call.

mod stream_file;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dynoxide::Database;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::time::MissedTickBehavior;

use crate::background::beside_answers;
use stream_file::StreamFile;

/// All work shares one SQLite connection, so more threads would only wait for each other.
const THREADS: usize = 2;
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// How long running requests may continue after a stop.
const GRACE: Duration = Duration::from_secs(1);

/// An error of dynoxide or of the system.
type Fault = Box<dyn std::error::Error + Send + Sync>;

/// A running database. Dropping it stops it without waiting.
pub(crate) struct Dynamodb {
    database: Database,
    stop: oneshot::Sender<()>,
    stopped: oneshot::Receiver<()>,
}

impl Dynamodb {
    /// Opens or creates the file, and serves clients of the listener.
    ///
    /// # Errors
    /// The file is not a database, or the system cannot start threads.
    pub(crate) fn start(path: &Path, listener: TcpListener) -> Result<Self, Fault> {
        let database = Database::new(path.to_str().ok_or("the path is not valid UTF-8")?)?;
        let stream_file = StreamFile::open(path)?;
        // dynoxide's name for SQLite's `synchronous=NORMAL` and other settings that are SQLite's
        // defaults. Without it every commit waits for the disk, and all other requests wait for
        // that commit.
        database.disable_bulk_loading()?;
        let listener = listener.into_std()?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("dynamodb-worker")
            .on_thread_start(beside_answers)
            .enable_all()
            .build()?;
        let (stop, stopping) = oneshot::channel();
        let (ended, stopped) = oneshot::channel();
        let stream_file = Arc::new(Mutex::new(stream_file));
        let sweep = Sweep { database: database.clone(), stream_file };
        let work = move || {
            if let Err(fault) = runtime.block_on(serve(listener, sweep, stopping)) {
                tracing::error!(error = &*fault as &dyn std::error::Error, "dynamodb failed");
            }
            close(runtime);
            // Fails if nothing waits for the end.
            let _ = ended.send(());
        };
        std::thread::Builder::new().name("dynamodb".to_owned()).spawn(work)?;
        Ok(Self { database, stop, stopped })
    }

    /// The names of the tables in order, at most a hundred.
    pub(crate) fn tables(&self) -> Result<Vec<String>, Fault> {
        Ok(self.database.list_tables(Default::default())?.table_names)
    }

    /// Stops, and waits until the threads have ended.
    pub(crate) async fn stop(self) {
        drop(self.database);
        drop(self.stop);
        // An error means that the thread has already ended.
        let _ = self.stopped.await;
    }
}

async fn serve(
    listener: std::net::TcpListener,
    sweep: Sweep,
    stopping: oneshot::Receiver<()>,
) -> Result<(), Fault> {
    let listener = TcpListener::from_std(listener)?;
    let database = sweep.database.clone();
    tokio::spawn(sweep.run());
    let (stop, stopped) = oneshot::channel::<()>();
    let server = dynoxide::server::serve_with_shutdown(listener, database, async {
        let _ = stopped.await;
    });
    tokio::select! {
        served = server => served?,
        // A message and a dropped sender both mean: stop.
        () = async {
            let _ = stopping.await;
            drop(stop);
            tokio::time::sleep(GRACE).await;
        } => {}
    }
    Ok(())
}

/// The deletion of expired items and of old stream records.
struct Sweep {
    database: Database,
    stream_file: Arc<Mutex<StreamFile>>,
}

impl Sweep {
    /// Runs until the runtime ends.
    async fn run(self) {
        let mut ticks = tokio::time::interval(SWEEP_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let database = self.database.clone();
            log("expired items", tokio::task::spawn_blocking(move || database.sweep_ttl()).await);
            let stream_file = Arc::clone(&self.stream_file);
            let trim = move || {
                let stream_file = stream_file.lock().unwrap_or_else(PoisonError::into_inner);
                stream_file.trim(now_seconds())
            };
            log("old stream records", tokio::task::spawn_blocking(trim).await);
        }
    }
}

fn log<E: std::fmt::Display>(
    what: &'static str,
    deleted: Result<Result<usize, E>, tokio::task::JoinError>,
) {
    match deleted {
        Ok(Ok(deleted)) => tracing::debug!(what, deleted, "swept"),
        Ok(Err(error)) => tracing::warn!(what, %error, "cannot sweep"),
        Err(error) => tracing::warn!(what, %error, "the sweep was aborted"),
    }
}

#[expect(clippy::disallowed_methods, reason = "the database has its own clock")]
fn now_seconds() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX)
}

/// Ends the sweep and the connections that did not end in time.
fn close(runtime: Runtime) {
    runtime.shutdown_timeout(GRACE);
}
