//! An SQS server inside the process: standard queues over the SQS JSON protocol, kept in one
//! SQLite file, for AWS SDK clients on the same machine.
//!
//! Actions: `CreateQueue`, `GetQueueUrl`, `ListQueues`, `GetQueueAttributes`,
//! `SetQueueAttributes`, `PurgeQueue`, `DeleteQueue`, `SendMessage`, `SendMessageBatch`,
//! `ReceiveMessage` with long polling, `DeleteMessage`, `DeleteMessageBatch`,
//! `ChangeMessageVisibility`, `ChangeMessageVisibilityBatch` and `StartMessageMoveTask`.
//!
//! Guarantees:
//! - *A killed process loses nothing that it acknowledged.* One action is one transaction, and the
//!   answer follows its commit. SQLite runs in WAL mode with `synchronous=NORMAL`: a commit is
//!   written to the log file, and data in the kernel's buffers survives the process. A power
//!   failure may lose the newest commits; preventing that needs `FULL`, at one disk flush per
//!   action.
//! - *A message is delivered at least once, to one receiver at a time*, until its visibility
//!   timeout passes. Every receipt handle of a message can delete it and change its visibility,
//!   including older handles. SQS guarantees that for the newest handle only, and often accepts the
//!   older ones.
//! - *Waiting does not block async workers:* SQLite has its own thread.
//!
//! Not implemented, because Drover does not need it:
//! - Authentication. The server ignores signatures, so bind it to loopback only.
//! - FIFO queues, tags, policies, encryption, X-Ray headers and the query (XML) protocol.
//! - Fairness between message groups. A group id is stored and returned, nothing more.
//! - SQS's waiting times: 60 s between purges and before the name of a deleted queue is free again.
//! - The limits of 120,000 messages in flight and of 12 hours for all extensions of one receive.
//! - `ListMessageMoveTasks` and `CancelMessageMoveTask`: a move is complete when its request is
//!   answered.
//!
//! Modules: `protocol` defines the wire format; `settings`, `message` and `attributes` define
//! validated values, and `rejection` the errors; `store` is the file; `actions` and `batch` connect
//! them; `server` is HTTP and long polling; `receive` is the API for callers in the same process;
//! [`origin`] rejects requests from web pages.

mod actions;
mod attributes;
mod batch;
mod message;
pub mod origin;
mod protocol;
mod receive;
mod rejection;
#[cfg(test)]
mod sdk_tests;
mod server;
mod settings;
mod store;
mod text;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::{Notify, oneshot};

pub use protocol::{ReceivedMessage, WireAttribute};
pub use receive::{Bounds, LARGEST_MESSAGE, Taken};
pub use rejection::{Rejection, SqsError, Unavailable};
pub use server::serve;
pub use settings::{QueueName, QueueSettings, Redrive};
pub use store::QueueLevels;
use store::{Queues, Store};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

type Job = Box<dyn FnOnce(&mut Store) + Send>;

/// The queues of one file. Clones share the file and its thread; the thread ends with the last
/// clone.
#[derive(Clone)]
pub struct Sqs {
    jobs: mpsc::Sender<Job>,
    wakers: Arc<Wakers>,
    requests: Arc<Requests>,
}

/// The number of HTTP requests for each action since the process started.
#[derive(Default)]
struct Requests(Mutex<BTreeMap<&'static str, u64>>);

impl Sqs {
    /// Opens the queue file at `path`, or creates it.
    ///
    /// # Errors
    /// The file can't be opened or isn't a queue file.
    pub fn open(path: &Path) -> Result<Self, Unavailable> {
        let mut store = Store::open(path)?;
        let (jobs, queued) = mpsc::channel::<Job>();
        let wakers = Arc::new(Wakers::default());
        let waking = Arc::clone(&wakers);
        let work = move || {
            for job in queued {
                job(&mut store);
                waking.wake(store.take_woken());
            }
        };
        std::thread::Builder::new().name("sqs-store".to_owned()).spawn(work)?;
        Ok(Self { jobs, wakers, requests: Arc::default() })
    }

    /// Creates the queue, or updates its settings. Its messages stay.
    ///
    /// # Errors
    /// [`SqsError::Rejected`] for a bad name or a dead-letter queue that doesn't exist yet.
    pub async fn ensure_queue(&self, name: &str, settings: QueueSettings) -> Result<(), SqsError> {
        let name = QueueName::parse(name)?;
        self.act(move |queues| queues.ensure_queue(&name, &settings)).await
    }

    /// How full the queue is. A message in flight does not count as waiting.
    ///
    /// # Errors
    /// [`SqsError::Rejected`] if the queue does not exist.
    pub async fn levels(&self, name: &str) -> Result<QueueLevels, SqsError> {
        let name = QueueName::parse(name)?;
        self.act(move |queues| queues.levels(&name)).await
    }

    /// Runs one action on the store's thread as one transaction. This is the only function that
    /// reads the clock.
    async fn act<T: Send + 'static>(
        &self,
        action: impl FnOnce(&mut Queues<'_>) -> Result<T, SqsError> + Send + 'static,
    ) -> Result<T, SqsError> {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(move |store: &mut Store| {
            // Fails if the caller is gone. The action is complete anyway.
            let _ = answer.send(store.act(now_millis(), action));
        });
        self.jobs.send(job).map_err(|_| Unavailable::Stopped)?;
        answered.await.map_err(|_| Unavailable::Stopped)?
    }

    /// The number of HTTP requests for each action. SQS would bill for these.
    pub fn requests(&self) -> BTreeMap<&'static str, u64> {
        self.requests.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn count(&self, action: &'static str) {
        let mut requests = self.requests.0.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry(action).or_default() += 1;
    }

    /// Notifies when the queue may have new messages to receive.
    pub fn waker(&self, queue: &QueueName) -> Arc<Notify> {
        self.wakers.of(queue)
    }
}

/// The wakers of waiting receivers, by queue. A queue has no entry before its first waiting
/// receive.
#[derive(Default)]
struct Wakers(Mutex<HashMap<QueueName, Arc<Notify>>>);

impl Wakers {
    fn of(&self, queue: &QueueName) -> Arc<Notify> {
        let mut wakers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(wakers.entry(queue.clone()).or_default())
    }

    fn wake(&self, queues: BTreeSet<QueueName>) {
        let wakers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for queue in queues {
            if let Some(waker) = wakers.get(&queue) {
                waker.notify_waiters();
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "only the edge of the server reads the clock")]
fn now_millis() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}
