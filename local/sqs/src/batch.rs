//! Shared parts of the three batch actions: the limits of a batch, and entries that fail
//! individually.

use std::collections::BTreeSet;

use super::protocol::{Batch, BatchAnswer, Entry};
use super::rejection::{Rejection, SqsError};

/// Returns the entries of a valid batch.
pub(super) fn checked<T>(batch: Batch<T>) -> Result<Vec<Entry<T>>, Rejection> {
    let entries = batch.entries;
    match entries.len() {
        0 => return Err(Rejection::EmptyBatchRequest),
        1..=10 => {}
        more => return Err(Rejection::TooManyEntriesInBatchRequest(more)),
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let mut seen = BTreeSet::new();
    for Entry { id, .. } in &entries {
        if id.is_empty() || id.len() > 80 || !id.bytes().all(plain) {
            return Err(Rejection::InvalidBatchEntryId);
        }
        if !seen.insert(id) {
            return Err(Rejection::BatchEntryIdsNotDistinct(id.clone()));
        }
    }
    Ok(entries)
}

/// A rejected entry fails alone. When the store is unavailable, the whole batch fails.
pub(super) fn one_by_one<T, A>(
    entries: Vec<Entry<T>>,
    mut act: impl FnMut(T) -> Result<A, SqsError>,
) -> Result<BatchAnswer<A>, SqsError> {
    let mut answer = BatchAnswer { successful: Vec::new(), failed: Vec::new() };
    for Entry { id, content } in entries {
        match act(content) {
            Ok(content) => answer.successful.push(Entry { id, content }),
            Err(SqsError::Rejected(rejection)) => {
                answer.failed.push(Entry { id, content: (&rejection).into() });
            }
            Err(unavailable @ SqsError::Unavailable(_)) => return Err(unavailable),
        }
    }
    Ok(answer)
}
