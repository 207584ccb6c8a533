//! The ports: the core's interfaces to everything outside. Two sets of implementations exist:
//! memory, with injectable faults, and AWS. An `Err` of a port means "not done, may be done later".
//! An expected answer of a store, such as a version conflict, is a value.
//!
//! - `ledger`: heads, pages and the listing index
//! - `letters`: the two queues, the table of letters, and sources to reread records from
//! - `intake`: documents, requests, and the event log
//! - `feeds`: the topics of the feeds
//! - `outputs`: timers, alerts, and alerts of other systems
//! - `notifications`: the queue of notifications, and what targets were told
//! - [`Clock`]: time and random numbers

mod feeds;
mod intake;
mod ledger;
mod letters;
mod notifications;
mod outputs;

use std::future::Future;
use std::time::Duration;

pub use self::feeds::{FeedTarget, NotPublished};
pub use self::intake::{Documents, EventLog, Requests};
pub use self::ledger::{Eraser, Listing, Store, SubjectLocation, Together};
pub use self::letters::{Buffer, DeadLetters, LetterEraser, Letters, Objects, Reread};
pub use self::notifications::{DeliveryRecords, Notifications};
pub use self::outputs::{ALERTS_WRITTEN, Alerts, ReceivedAlerts, Timers};
use crate::base::time::Timestamp;

/// The ports that the pipeline needs.
pub trait Ports: Store + DeadLetters + Buffer + Documents + Clock {}

impl<W: Store + DeadLetters + Buffer + Documents + Clock> Ports for W {}

/// Time and random numbers.
pub trait Clock: Send + Sync {
    /// The current time.
    fn now(&self) -> Timestamp;

    /// Sleeps.
    fn pause(&self, duration: Duration) -> impl Future<Output = ()> + Send;

    /// A random number, for jitter.
    fn random(&self) -> u64;
}
