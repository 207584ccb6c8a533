//! Threads for work that nobody waits for: the event source and the processor that it feeds. They
//! give way to those that answer requests, as they would on Lambda, where each function has machines
//! of its own. Under full load the processor falls behind, and requests are still answered at once.

use tokio::runtime::{Builder, Runtime};

/// How far such threads step back, as `nice` counts.
const BEHIND_ANSWERS: i32 = 10;
/// The database steps back less: requests wait for it, too.
const BESIDE_ANSWERS: i32 = 5;
const THREADS: usize = 2;

/// A runtime of such threads. What runs on it ends with this value.
pub(crate) struct Background(Option<Runtime>);

impl Background {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system gives none.
    pub(crate) fn start() -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("background")
            .on_thread_start(|| step_back(BEHIND_ANSWERS))
            .enable_all()
            .build()?;
        Ok(Self(Some(runtime)))
    }

    /// Does something whose tasks, and theirs, run on these threads.
    pub(crate) fn on_its_threads<T>(&self, start: impl FnOnce() -> T) -> T {
        let _entered = self.0.as_ref().map(Runtime::enter);
        start()
    }
}

/// Without waiting: this may happen inside another runtime.
impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// For threads of the database.
pub(crate) fn beside_answers() {
    step_back(BESIDE_ANSWERS);
}

/// Linux counts by thread, and other systems by process, which would change nothing. A system that
/// refuses costs latency and nothing else.
#[cfg(target_os = "linux")]
fn step_back(by: i32) {
    let _ = rustix::process::nice(by);
}

#[cfg(not(target_os = "linux"))]
fn step_back(_by: i32) {}
