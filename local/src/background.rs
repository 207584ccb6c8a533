//! Threads for background work: the event source and the processor that it invokes. They run at a
//! lower priority than request handling, which on Lambda has its own machines. Under full load the
//! processor lags, and requests are still answered at once.

use tokio::runtime::{Builder, Runtime};

/// The `nice` increment of background threads.
const BEHIND_ANSWERS: i32 = 10;
/// The database yields less, because requests wait for it too.
const BESIDE_ANSWERS: i32 = 5;
const THREADS: usize = 2;

/// A runtime of background threads. Its tasks end when this value is dropped.
pub(crate) struct Background(Option<Runtime>);

impl Background {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system cannot start the threads.
    pub(crate) fn start() -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("background")
            .on_thread_start(|| step_back(BEHIND_ANSWERS))
            .enable_all()
            .build()?;
        Ok(Self(Some(runtime)))
    }

    /// Calls `start`; tasks that it spawns run on these threads.
    pub(crate) fn on_its_threads<T>(&self, start: impl FnOnce() -> T) -> T {
        let _entered = self.0.as_ref().map(Runtime::enter);
        start()
    }
}

/// Does not wait for the tasks, because the drop may happen inside another runtime.
impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Lowers the priority of a database thread.
pub(crate) fn beside_answers() {
    step_back(BESIDE_ANSWERS);
}

/// Linux counts niceness by thread; other systems count by process, which would change nothing. A
/// failure only costs latency, so it is ignored.
#[cfg(target_os = "linux")]
fn step_back(by: i32) {
    let _ = rustix::process::nice(by);
}

#[cfg(not(target_os = "linux"))]
fn step_back(_by: i32) {}
