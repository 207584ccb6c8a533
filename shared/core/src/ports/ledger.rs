//! Ports to the tables of ledgers.

use std::future::Future;
use std::sync::Arc;

use crate::base::cost::Metered;
use crate::base::error::Unavailable;
use crate::base::id::SubjectKey;
use crate::ledger::dialogue::WriteAnswer;
use crate::ledger::shard::Shard;
use crate::ledger::{LedgerWrite, PageRange, PageWrite, StoredHead, StoredPage};

/// Where a subject's items live.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SubjectLocation {
    /// The subject.
    pub key: SubjectKey,
    /// The tenant's own ledger table; `None`: the one that all share.
    pub table: Option<Arc<str>>,
}

/// A head and a page, if there are any.
pub type Together = (Option<StoredHead>, Option<StoredPage>);

/// The ledger's table.
pub trait Store: Send + Sync {
    /// The head, strongly consistent.
    fn head(
        &self,
        location: &SubjectLocation,
    ) -> impl Future<Output = Result<Metered<Option<StoredHead>>, Unavailable>> + Send;

    /// Pages in order of their keys or backwards, strongly consistent, up to the range's limit even
    /// where the service answers in several parts.
    fn pages(
        &self,
        location: &SubjectLocation,
        range: &PageRange,
    ) -> impl Future<Output = Result<Metered<Vec<StoredPage>>, Unavailable>> + Send;

    /// The head and the page of this key as of one instant. Other reads may show a head before the
    /// pages that were written with it.
    fn together(
        &self,
        location: &SubjectLocation,
        key: &[u8],
    ) -> impl Future<Output = Result<Metered<Together>, Unavailable>> + Send;

    /// Puts a page unless one of its key exists. Either way it is there afterwards.
    fn seal(
        &self,
        location: &SubjectLocation,
        page: &PageWrite,
    ) -> impl Future<Output = Result<Metered<()>, Unavailable>> + Send;

    /// Replaces head and pages, all or nothing, if the expected version is stored. Not retried by
    /// the store: the caller decides with the head in hand.
    ///
    /// # Errors
    /// Only where trying again at once is pointless.
    fn write(
        &self,
        location: &SubjectLocation,
        write: &LedgerWrite,
    ) -> impl Future<Output = Result<Metered<WriteAnswer>, Unavailable>> + Send;
}

/// A ledger from which something can be taken away.
pub trait Eraser: Store {
    /// Replaces a head by the next version, if the one before it is stored, and takes it out of listings.
    /// `false`: it may or may not be stored.
    fn replace_unlisted(
        &self,
        location: &SubjectLocation,
        head: &StoredHead,
    ) -> impl Future<Output = Result<bool, Unavailable>> + Send;

    /// Deletes some of the pages up to this key, and says how many: none, if there is none left.
    fn delete_pages(
        &self,
        location: &SubjectLocation,
        up_to: &[u8],
    ) -> impl Future<Output = Result<usize, Unavailable>> + Send;
}

/// The listing index.
pub trait Listing: Send + Sync {
    /// The [`Activity::hour`](crate::ledger::Activity::hour)s of a shard, the newest first: at most `limit`, and only those that
    /// sort before `below`. One call, eventually consistent. A limit beyond
    /// [`LISTED_SUBJECTS`](crate::base::limits::LISTED_SUBJECTS) and one may be cut.
    fn hours(
        &self,
        shard: &Shard,
        below: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Metered<Vec<String>>, Unavailable>> + Send;
}
