//! What the pipeline needs from outside, as ports. There are two worlds: memory, with faults on
//! demand, and AWS. An `Err` of a port means "not done, may be done later"; what a store answers as
//! a matter of course (another version is stored) is a value.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::base::cost::Metered;
use crate::base::error::Unavailable;
use crate::base::id::{SubjectKey, TenantId};
use crate::base::time::Timestamp;
use crate::ledger::dialogue::WriteAnswer;
use crate::ledger::{LedgerWrite, PageRange, PageWrite, StoredHead, StoredPage};
use crate::registry::Documents;

/// Everything outside, in one value.
pub trait World: Store + DeadLetters + Buffer + Documents + Clock {}

impl<W: Store + DeadLetters + Buffer + Documents + Clock> World for W {}

/// Where a subject's items live.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Home {
    /// The subject.
    pub key: SubjectKey,
    /// The tenant's own ledger table; `None`: the one that all share.
    pub table: Option<Arc<str>>,
}

/// The ledger's table.
pub trait Store: Send + Sync {
    /// The head, strongly consistent.
    fn head(
        &self,
        home: &Home,
    ) -> impl Future<Output = Result<Metered<Option<StoredHead>>, Unavailable>> + Send;

    /// Pages in order of their keys or backwards, strongly consistent, up to the range's limit even
    /// where the service answers in several parts.
    fn pages(
        &self,
        home: &Home,
        range: &PageRange,
    ) -> impl Future<Output = Result<Metered<Vec<StoredPage>>, Unavailable>> + Send;

    /// Puts a page unless one of its key exists. Either way it is there afterwards.
    fn seal(
        &self,
        home: &Home,
        page: &PageWrite,
    ) -> impl Future<Output = Result<Metered<()>, Unavailable>> + Send;

    /// Replaces head and pages, all or nothing, if the expected version is stored. Not retried by
    /// the store: the caller decides with the head in hand.
    ///
    /// # Errors
    /// Only where trying again at once is pointless.
    fn write(
        &self,
        home: &Home,
        write: &LedgerWrite,
    ) -> impl Future<Output = Result<Metered<WriteAnswer>, Unavailable>> + Send;
}

/// A text on its way into a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Whose it is: the message group of a fair queue. `None`: the operator's.
    pub tenant: Option<TenantId>,
    /// JSON.
    pub body: String,
}

/// Rejected records, on their way to be filed.
pub trait DeadLetters: Send + Sync {
    /// Sends messages; the answer has one result for each, in order.
    fn send_letters(
        &self,
        messages: &[Message],
    ) -> impl Future<Output = Vec<Result<(), Unavailable>>> + Send;
}

/// Records that wait for a part of the system which is unavailable.
pub trait Buffer: Send + Sync {
    /// Sends messages; the answer has one result for each, in order.
    fn send_buffered(
        &self,
        messages: &[Message],
    ) -> impl Future<Output = Vec<Result<(), Unavailable>>> + Send;
}

/// Time and chance.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;

    /// Lets time pass.
    fn pause(&self, duration: Duration) -> impl Future<Output = ()> + Send;

    /// A random number, for jitter.
    fn random(&self) -> u64;
}
