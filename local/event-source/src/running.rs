//! The task of a running mapping, which every kind of event source has.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A running task that stops when it is told to. Dropping this value tells it.
pub(crate) struct Running {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    /// Starts a task, which ends soon after the value that it watches becomes true or its sender is gone.
    pub(crate) fn start<F>(task: impl FnOnce(watch::Receiver<bool>) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (stop, stopped) = watch::channel(false);
        Self { stop, task: tokio::spawn(task(stopped)) }
    }

    /// Stops the task, and waits up to `grace` for its end before it is aborted.
    pub(crate) async fn stop(self, grace: Duration) {
        self.stop.send_replace(true);
        let mut task = self.task;
        if tokio::time::timeout(grace, &mut task).await.is_err() {
            task.abort();
        }
    }
}
