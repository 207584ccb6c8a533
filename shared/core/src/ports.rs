//! Everything that the core asks of the outside, as ports. There are two sets of them: memory, with faults on
//! demand, and AWS. An `Err` of a port means "not done, may be done later"; what a store answers as
//! a matter of course (another version is stored) is a value.
//!
//! - `ledger`: heads, pages and the listing index
//! - `letters`: the two queues, the table of letters, and where records are read again
//! - `intake`: documents, requests, and the stream
//! - [`Clock`]: time and chance

mod intake;
mod ledger;
mod letters;

use std::future::Future;
use std::time::Duration;

pub use self::intake::{Documents, EventLog, Requests};
pub use self::ledger::{Eraser, Listing, Store, SubjectLocation, Together};
pub use self::letters::{Buffer, DeadLetters, LetterEraser, Letters, Objects, Reread};
use crate::base::time::Timestamp;

/// Everything outside, in one value.
pub trait Ports: Store + DeadLetters + Buffer + Documents + Clock {}

impl<W: Store + DeadLetters + Buffer + Documents + Clock> Ports for W {}

/// Time and chance.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;

    /// Lets time pass.
    fn pause(&self, duration: Duration) -> impl Future<Output = ()> + Send;

    /// A random number, for jitter.
    fn random(&self) -> u64;
}
