//! Ports to the queues and to the table of letters, and to where records are read again.

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

/// The table of letters and runs. Every read is strongly consistent.
pub trait Letters: Send + Sync {
    /// Puts chunks of a content, in place of those of their numbers, which are the same. They may be
    /// deleted from `expires_at` on, in seconds since 1970.
    fn put_chunks(
        &self,
        owner: &Owner,
        id: &str,
        chunks: &[Chunk],
        expires_at: i64,
    ) -> impl Future<Output = Result<Units, Unavailable>> + Send;

    /// Puts a letter, version 1, unless it is there; says whether it was not.
    fn put_letter(
        &self,
        owner: &Owner,
        letter: &Letter,
    ) -> impl Future<Output = Result<Metered<bool>, Unavailable>> + Send;

    /// Replaces a letter by its next version, unless another is stored than `old`; says whether it
    /// did. Its own lost answer counts as done where what is stored is what was to be.
    fn replace_letter(
        &self,
        owner: &Owner,
        old: &StoredLetter,
        letter: &Letter,
    ) -> impl Future<Output = Result<Metered<bool>, Unavailable>> + Send;

    /// One letter.
    fn letter(
        &self,
        owner: &Owner,
        id: &str,
    ) -> impl Future<Output = Result<Metered<Option<StoredLetter>>, Unavailable>> + Send;

    /// Letters in order. Fewer than the limit: there are no more.
    fn letters(
        &self,
        owner: &Owner,
        range: &LetterRange,
    ) -> impl Future<Output = Result<Metered<Vec<StoredLetter>>, Unavailable>> + Send;

    /// The packed contents of letters, in order; `None`: some of its chunks are not there.
    fn contents(
        &self,
        owner: &Owner,
        wanted: &[Wanted],
    ) -> impl Future<Output = Result<Metered<Vec<Option<Vec<u8>>>>, Unavailable>> + Send;

    /// A run's record.
    fn run(
        &self,
        owner: &Owner,
        id: &str,
    ) -> impl Future<Output = Result<Metered<Option<StoredRun>>, Unavailable>> + Send;

    /// The newest runs, the newest first: ids rise with time.
    fn runs(
        &self,
        owner: &Owner,
        limit: usize,
    ) -> impl Future<Output = Result<Metered<Vec<StoredRun>>, Unavailable>> + Send;

    /// Puts a run's record, unless another version is stored than the one before it (version 1:
    /// unless there is any); says whether it did. It may be deleted from `expires_at` on, in seconds
    /// since 1970.
    fn put_run(
        &self,
        owner: &Owner,
        id: &str,
        run: &StoredRun,
        expires_at: i64,
    ) -> impl Future<Output = Result<Metered<bool>, Unavailable>> + Send;

    /// Takes or renews the lease, unless another token holds it at `now`: then gives that one.
    fn take_lease(
        &self,
        owner: &Owner,
        lease: &Lease,
        now: Timestamp,
    ) -> impl Future<Output = Result<Metered<Option<Lease>>, Unavailable>> + Send;

    /// Who holds the lease, or held it last.
    fn lease(
        &self,
        owner: &Owner,
    ) -> impl Future<Output = Result<Metered<Option<Lease>>, Unavailable>> + Send;

    /// Gives the lease back, if this token holds it.
    fn release_lease(
        &self,
        owner: &Owner,
        token: &str,
    ) -> impl Future<Output = Result<Units, Unavailable>> + Send;
}

/// A table of letters from which some can be taken away.
pub trait LetterEraser: Letters {
    /// Some of the chunks behind this one, in the order of their letters' ids and of their numbers;
    /// none: there are no more.
    fn chunks_behind(
        &self,
        owner: &Owner,
        last: Option<(&str, u32)>,
    ) -> impl Future<Output = Result<Vec<FiledChunk>, Unavailable>> + Send;

    /// Deletes a letter, if it is there, and leaves its content.
    fn delete_letter(
        &self,
        owner: &Owner,
        id: &str,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;

    /// Deletes chunks of a content, those that are there.
    fn delete_chunks(
        &self,
        owner: &Owner,
        id: &str,
        numbers: &[u32],
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;
}

/// Where objects are read.
pub trait Objects: Send + Sync {
    /// Reads one.
    fn object(
        &self,
        bucket: &str,
        key: &str,
    ) -> impl Future<Output = Result<Object, Unavailable>> + Send;
}

/// A stream that holds its records for a while.
pub trait Reread: Send + Sync {
    /// The next records of a partition, from the first of these offsets on: at most [`RECORDS`](crate::dead_letter::reread::RECORDS) and
    /// [`BYTES`](crate::dead_letter::reread::BYTES), each with the times that it had when it was given up. `None`: there is no stream
    /// here.
    fn reread(
        &self,
        offsets: &Offsets,
        given_up: Receipt,
    ) -> impl Future<Output = Result<Option<Again>, Unavailable>> + Send;
}

/// No stream, where there may be one.
impl<R: Reread> Reread for Option<R> {
    async fn reread(
        &self,
        offsets: &Offsets,
        given_up: Receipt,
    ) -> Result<Option<Again>, Unavailable> {
        match self {
            Some(stream) => stream.reread(offsets, given_up).await,
            None => Ok(None),
        }
    }
}
