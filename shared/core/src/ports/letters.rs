//! Ports to the queues, to the table of letters, and to sources of rereads.

use std::future::Future;

use crate::base::cost::{Metered, Units};
use crate::base::error::Unavailable;
use crate::base::time::Timestamp;
use crate::dead_letter::envelope::Chunk;
use crate::dead_letter::letter::{
    FiledChunk, Lease, Letter, LetterRange, Owner, StoredLetter, StoredRun, Wanted,
};
use crate::dead_letter::message::Message;
use crate::dead_letter::object::Object;
use crate::dead_letter::origin::Offsets;
use crate::dead_letter::reread::Again;
use crate::intake::record::Receipt;

/// The queue of rejected records.
pub trait DeadLetters: Send + Sync {
    /// Sends messages and returns one result for each, in order.
    fn send_letters(
        &self,
        messages: &[Message],
    ) -> impl Future<Output = Vec<Result<(), Unavailable>>> + Send;
}

/// The queue of records that wait for an unavailable dependency.
pub trait Buffer: Send + Sync {
    /// Sends messages and returns one result for each, in order.
    fn send_buffered(
        &self,
        messages: &[Message],
    ) -> impl Future<Output = Vec<Result<(), Unavailable>>> + Send;
}

/// The table of letters and runs. Every read is strongly consistent.
pub trait Letters: Send + Sync {
    /// Puts chunks of a content. Existing chunks with the same numbers are equal and are
    /// overwritten. The chunks expire at `expires_at`, in seconds since 1970.
    fn put_chunks(
        &self,
        owner: &Owner,
        id: &str,
        chunks: &[Chunk],
        expires_at: i64,
    ) -> impl Future<Output = Result<Units, Unavailable>> + Send;

    /// Puts a letter with version 1 unless it exists. Returns whether the letter is new.
    fn put_letter(
        &self,
        owner: &Owner,
        letter: &Letter,
    ) -> impl Future<Output = Result<Metered<bool>, Unavailable>> + Send;

    /// Replaces a letter by its next version if `old` is stored. Returns whether it did. If the
    /// answer of an earlier attempt was lost and the stored letter is the new one, it counts as
    /// replaced.
    fn replace_letter(
        &self,
        owner: &Owner,
        old: &StoredLetter,
        letter: &Letter,
    ) -> impl Future<Output = Result<Metered<bool>, Unavailable>> + Send;

    /// Reads one letter.
    fn letter(
        &self,
        owner: &Owner,
        id: &str,
    ) -> impl Future<Output = Result<Metered<Option<StoredLetter>>, Unavailable>> + Send;

    /// Reads letters in order. Fewer than the limit means that no more follow.
    fn letters(
        &self,
        owner: &Owner,
        range: &LetterRange,
    ) -> impl Future<Output = Result<Metered<Vec<StoredLetter>>, Unavailable>> + Send;

    /// Reads the packed contents of letters, in order. `None`: chunks are missing.
    fn contents(
        &self,
        owner: &Owner,
        wanted: &[Wanted],
    ) -> impl Future<Output = Result<Metered<Vec<Option<Vec<u8>>>>, Unavailable>> + Send;

    /// Reads a run's record.
    fn run(
        &self,
        owner: &Owner,
        id: &str,
    ) -> impl Future<Output = Result<Metered<Option<StoredRun>>, Unavailable>> + Send;

    /// Reads the newest runs, newest first. Ids increase with time.
    fn runs(
        &self,
        owner: &Owner,
        limit: usize,
    ) -> impl Future<Output = Result<Metered<Vec<StoredRun>>, Unavailable>> + Send;

    /// Puts a run's record if the previous version is stored (for version 1: if none is). Returns
    /// whether it did. The record expires at `expires_at`, in seconds since 1970.
    fn put_run(
        &self,
        owner: &Owner,
        id: &str,
        run: &StoredRun,
        expires_at: i64,
    ) -> impl Future<Output = Result<Metered<bool>, Unavailable>> + Send;

    /// Takes or renews the lease. If another token holds it at `now`, returns that lease.
    fn take_lease(
        &self,
        owner: &Owner,
        lease: &Lease,
        now: Timestamp,
    ) -> impl Future<Output = Result<Metered<Option<Lease>>, Unavailable>> + Send;

    /// Reads the current or last lease.
    fn lease(
        &self,
        owner: &Owner,
    ) -> impl Future<Output = Result<Metered<Option<Lease>>, Unavailable>> + Send;

    /// Releases the lease if this token holds it.
    fn release_lease(
        &self,
        owner: &Owner,
        token: &str,
    ) -> impl Future<Output = Result<Units, Unavailable>> + Send;
}

/// A table of letters that supports deletion.
pub trait LetterEraser: Letters {
    /// Some of the chunks after the given chunk, ordered by letter id and number. An empty list
    /// means that no more follow.
    fn chunks_behind(
        &self,
        owner: &Owner,
        last: Option<(&str, u32)>,
    ) -> impl Future<Output = Result<Vec<FiledChunk>, Unavailable>> + Send;

    /// Deletes a letter, if it exists, but not its content.
    fn delete_letter(
        &self,
        owner: &Owner,
        id: &str,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;

    /// Deletes chunks of a content, if they exist.
    fn delete_chunks(
        &self,
        owner: &Owner,
        id: &str,
        numbers: &[u32],
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;
}

/// Reads S3 objects.
pub trait Objects: Send + Sync {
    /// Reads one object.
    fn object(
        &self,
        bucket: &str,
        key: &str,
    ) -> impl Future<Output = Result<Object, Unavailable>> + Send;
}

/// An event log that retains its records for a while.
pub trait Reread: Send + Sync {
    /// Reads the next records of a partition, from the first of these offsets: at most
    /// [`RECORDS`](crate::dead_letter::reread::RECORDS) and
    /// [`BYTES`](crate::dead_letter::reread::BYTES), each with the receipt time that it had when it
    /// was discarded. `None`: the deployment has no event log.
    fn reread(
        &self,
        offsets: &Offsets,
        given_up: Receipt,
    ) -> impl Future<Output = Result<Option<Again>, Unavailable>> + Send;
}

/// An optional event log.
impl<R: Reread> Reread for Option<R> {
    async fn reread(
        &self,
        offsets: &Offsets,
        given_up: Receipt,
    ) -> Result<Option<Again>, Unavailable> {
        match self {
            Some(event_log) => event_log.reread(offsets, given_up).await,
            None => Ok(None),
        }
    }
}
