//! An SQS server inside the process: standard queues over the SQS JSON protocol, kept in one
//! SQLite file, for AWS SDK clients on the same machine.
//!
//! Actions: `CreateQueue`, `GetQueueUrl`, `ListQueues`, `GetQueueAttributes`,
//! `SetQueueAttributes`, `PurgeQueue`, `DeleteQueue`, `SendMessage`, `SendMessageBatch`,
//! `ReceiveMessage` with long polling, `DeleteMessage`, `DeleteMessageBatch`,
//! `ChangeMessageVisibility`, `ChangeMessageVisibilityBatch` and `StartMessageMoveTask`.
//!
//! Promises:
//! - *Nothing acknowledged is lost when the process is killed.* One action is one transaction,
//!   answered after its commit. SQLite runs in WAL mode with `synchronous=NORMAL`: a commit has
//!   been written to the log file, and what the kernel holds outlives the process. Power loss may
//!   take the newest commits; that would need `FULL`, at one disk flush per action.
//! - *A message is delivered at least once, to one receiver at a time*, until its visibility
//!   timeout passes. Any handle of a message's receives deletes it and changes its visibility, the
//!   older ones too: SQS promises that for the newest only, and often does it for the others.
//! - *Waiting costs nothing on the async workers:* SQLite has a thread of its own.
//!
//! Left out, because nothing here needs it:
//! - Authentication. Signatures are not looked at, so the server belongs on loopback only.
//! - FIFO queues, tags, policies, encryption, X-Ray headers and the query (XML) protocol.
//! - Fairness between message groups. A group id is kept and given back, and that is all.
//! - SQS's waiting times: 60 s between purges and before a deleted queue's name is free again.
//! - The limits of 120,000 messages in flight and of 12 hours for all extensions of one receive.
//! - `ListMessageMoveTasks` and `CancelMessageMoveTask`: a move is over when it is answered.
//!
//! The rooms: `protocol` is what travels; `settings`, `message` and `attributes` are what
//! passed SQS's checks, `rejection` is what didn't; `store` is the file; `actions` and
//! `batch` join them; `server` is HTTP and waiting, and `receive` is for those inside the
//! process, who need no HTTP; [`origin`] keeps web pages out.

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

/// The queues of one file. Clones share the file and its thread, which ends with the last of them.
#[derive(Clone)]
pub struct Sqs {
    jobs: mpsc::Sender<Job>,
    wakers: Arc<Wakers>,
    requests: Arc<Requests>,
}

/// How often each action was asked for over HTTP, since the start of the process.
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

    /// Creates the queue, or brings it to these settings. Its messages stay.
    ///
    /// # Errors
    /// [`SqsError::Rejected`] for a bad name or a dead-letter queue that doesn't exist yet.
    pub async fn ensure_queue(&self, name: &str, settings: QueueSettings) -> Result<(), SqsError> {
        let name = QueueName::parse(name)?;
        self.act(move |queues| queues.ensure_queue(&name, &settings)).await
    }

    /// How full the queue is. A message that a receiver has in hand waits for nobody.
    ///
    /// # Errors
    /// [`SqsError::Rejected`] where there is no such queue.
    pub async fn levels(&self, name: &str) -> Result<QueueLevels, SqsError> {
        let name = QueueName::parse(name)?;
        self.act(move |queues| queues.levels(&name)).await
    }

    /// Runs one action on the store's thread as one transaction. The one place that reads a clock.
    async fn act<T: Send + 'static>(
        &self,
        action: impl FnOnce(&mut Queues<'_>) -> Result<T, SqsError> + Send + 'static,
    ) -> Result<T, SqsError> {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(move |store: &mut Store| {
            // Fails when the caller has gone: the action is done all the same.
            let _ = answer.send(store.act(now_millis(), action));
        });
        self.jobs.send(job).map_err(|_| Unavailable::Stopped)?;
        answered.await.map_err(|_| Unavailable::Stopped)?
    }

    /// How often each action was asked for over HTTP: what SQS would charge for.
    pub fn requests(&self) -> BTreeMap<&'static str, u64> {
        self.requests.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn count(&self, action: &'static str) {
        let mut requests = self.requests.0.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry(action).or_default() += 1;
    }

    /// Rings whenever the queue may have something new to receive.
    pub fn waker(&self, queue: &QueueName) -> Arc<Notify> {
        self.wakers.of(queue)
    }
}

/// Who waits at which queue. A queue that no one ever waited at has no entry.
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

#[expect(clippy::disallowed_methods, reason = "the edge of the server is where time comes from")]
fn now_millis() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}
