//! Ports to the ledger tables.

use std::future::Future;
use std::sync::Arc;

use crate::base::cost::Metered;
use crate::base::error::Unavailable;
use crate::base::id::SubjectKey;
use crate::ledger::dialogue::WriteAnswer;
use crate::ledger::shard::Shard;
use crate::ledger::{LedgerWrite, PageRange, PageWrite, StoredHead, StoredPage};

/// The location of a subject's items.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SubjectLocation {
    /// The subject.
    pub key: SubjectKey,
    /// The tenant's own ledger table. `None`: the shared table.
    pub table: Option<Arc<str>>,
}

/// A head and a page. `None`: the item does not exist.
pub type Together = (Option<StoredHead>, Option<StoredPage>);

/// Reads and writes heads and pages.
pub trait Store: Send + Sync {
    /// Reads the head, strongly consistent.
    fn head(
        &self,
        location: &SubjectLocation,
    ) -> impl Future<Output = Result<Metered<Option<StoredHead>>, Unavailable>> + Send;

    /// Reads pages in ascending or descending order of their keys, strongly consistent. Returns fewer pages
    /// than the limit of the range only if no more pages follow.
    fn pages(
        &self,
        location: &SubjectLocation,
        range: &PageRange,
    ) -> impl Future<Output = Result<Metered<Vec<StoredPage>>, Unavailable>> + Send;

    /// Reads the head and the page with this key in one transaction. Other reads may return a head before
    /// the pages that were written with it are visible.
    fn together(
        &self,
        location: &SubjectLocation,
        key: &[u8],
    ) -> impl Future<Output = Result<Metered<Together>, Unavailable>> + Send;

    /// Puts a page unless a page with the same key exists. Afterwards, a page with this key exists.
    fn seal(
        &self,
        location: &SubjectLocation,
        page: &PageWrite,
    ) -> impl Future<Output = Result<Metered<()>, Unavailable>> + Send;

    /// Replaces a head and pages in one transaction if the expected version is stored. The store does not
    /// retry: the caller decides with the stored head.
    ///
    /// # Errors
    /// An immediate retry would fail again. All other failures are values of [`WriteAnswer`].
    fn write(
        &self,
        location: &SubjectLocation,
        write: &LedgerWrite,
    ) -> impl Future<Output = Result<Metered<WriteAnswer>, Unavailable>> + Send;
}

/// A ledger that supports deletion.
pub trait Eraser: Store {
    /// Replaces a head by its next version if the previous version is stored, and removes the subject from
    /// listings. `true`: the head was replaced. `false`: another version is stored, or the result is unknown.
    fn replace_unlisted(
        &self,
        location: &SubjectLocation,
        head: &StoredHead,
    ) -> impl Future<Output = Result<bool, Unavailable>> + Send;

    /// Deletes some of the pages up to and including this key. Returns the number of deleted pages; 0 means
    /// that no page is left.
    fn delete_pages(
        &self,
        location: &SubjectLocation,
        up_to: &[u8],
    ) -> impl Future<Output = Result<usize, Unavailable>> + Send;
}

/// The listing index.
pub trait Listing: Send + Sync {
    /// Reads the [`Activity::hour`](crate::ledger::Activity::hour)s of a shard, newest first: at most
    /// `limit`, and only values less than `below`. One call, eventually consistent. An implementation may
    /// return fewer if the limit exceeds [`LISTED_SUBJECTS`](crate::base::limits::LISTED_SUBJECTS) + 1.
    fn hours(
        &self,
        shard: &Shard,
        below: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Metered<Vec<String>>, Unavailable>> + Send;
}
