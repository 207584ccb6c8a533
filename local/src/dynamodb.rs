//! The embedded DynamoDB: dynoxide over one SQLite file, on threads of its own.
//!
//! Of its own, because SQLite works on the thread that asks: on the host's workers it would hold
//! up every function. Expired items go when a sweep finds them, as on AWS some time after they
//! expire; so readers must look at the time themselves.
//!
//! Left out: refusing web pages, as the host's other services do. dynoxide builds its routes itself
//! and lets every origin read its answers, so a page in a browser on this machine can reach this
//! port; a proxy in front of it would cost every function a hop on every call.

use std::path::Path;
use std::time::Duration;

use dynoxide::Database;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::time::MissedTickBehavior;

use crate::background::beside_answers;

/// One SQLite connection does the work, so more threads would only wait for each other.
const THREADS: usize = 2;
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// How long clients have to end what they began.
const GRACE: Duration = Duration::from_secs(1);

/// What is wrong with the database, in dynoxide's or the system's words.
type Fault = Box<dyn std::error::Error + Send + Sync>;

/// A running database. It also stops when this is dropped, without being waited for.
pub(crate) struct Dynamodb {
    database: Database,
    stop: oneshot::Sender<()>,
    stopped: oneshot::Receiver<()>,
}

impl Dynamodb {
    /// Opens the file, or creates it, and answers clients of the listener.
    ///
    /// # Errors
    /// The file is no database, or the system gives no threads.
    pub(crate) fn start(path: &Path, listener: TcpListener) -> Result<Self, Fault> {
        let path = path.to_str().ok_or("the path is not valid UTF-8")?;
        let database = Database::new(path)?;
        // Its name for SQLite's `synchronous=NORMAL`, beside settings that are SQLite's own: without it
        // every commit waits for the disk, and everybody for that commit.
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
        let served = database.clone();
        let work = move || {
            if let Err(fault) = runtime.block_on(serve(listener, served, stopping)) {
                tracing::error!(error = &*fault as &dyn std::error::Error, "dynamodb failed");
            }
            close(runtime);
            // Fails when nobody waits.
            let _ = ended.send(());
        };
        std::thread::Builder::new().name("dynamodb".to_owned()).spawn(work)?;
        Ok(Self { database, stop, stopped })
    }

    /// The tables that exist, in order; at most a hundred of them.
    pub(crate) fn tables(&self) -> Result<Vec<String>, Fault> {
        Ok(self.database.list_tables(Default::default())?.table_names)
    }

    /// Stops, and waits until the threads have ended.
    pub(crate) async fn stop(self) {
        drop(self.database);
        drop(self.stop);
        // An error would say that the thread is gone: that is what this waits for.
        let _ = self.stopped.await;
    }
}

async fn serve(
    listener: std::net::TcpListener,
    database: Database,
    stopping: oneshot::Receiver<()>,
) -> Result<(), Fault> {
    let listener = TcpListener::from_std(listener)?;
    tokio::spawn(sweep(database.clone()));
    let (stop, stopped) = oneshot::channel::<()>();
    let server = dynoxide::server::serve_with_shutdown(listener, database, async {
        let _ = stopped.await;
    });
    tokio::select! {
        served = server => served?,
        // Both ways to end, a word and a dropped handle, mean the same.
        () = async {
            let _ = stopping.await;
            drop(stop);
            tokio::time::sleep(GRACE).await;
        } => {}
    }
    Ok(())
}

/// Deletes expired items, for as long as the runtime lasts.
async fn sweep(database: Database) {
    let mut ticks = tokio::time::interval(SWEEP_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let database = database.clone();
        match tokio::task::spawn_blocking(move || database.sweep_ttl()).await {
            Ok(Ok(deleted)) => tracing::debug!(deleted, "swept expired items"),
            Ok(Err(error)) => tracing::warn!(%error, "expired items could not be swept"),
            Err(error) => tracing::warn!(%error, "the sweep was cut off"),
        }
    }
}

/// Connections that did not end in time, and the sweep, end here.
fn close(runtime: Runtime) {
    runtime.shutdown_timeout(GRACE);
}
