//! What is cut off: which tail entries are frozen, and the pages that they are sealed into.

use std::sync::Arc;

use crate::base::id::SubjectKey;
use crate::base::limits::ItemLimits;
use crate::event::Entry;
use crate::ledger::codec::{Unwritable, encode_head, position_size, set_frozen, view_size};
use crate::ledger::dialogue::CommitParams;
use crate::ledger::frame::{Cutting, Running};
use crate::ledger::{Activity, Frame, Head, Page, PageWrite, Previous, expiry};
use crate::view::View;

/// Moves the frozen entries of a head out of its tail: the pages to put, and the head as it is
/// once they are there. While views are out of date, so are the openings of these pages: they stand
/// behind the position from which nothing is trusted.
///
/// # Errors
/// A view cannot be encoded.
pub(crate) fn seal(
    head: &Head,
    params: &CommitParams,
) -> Result<(Vec<PageWrite>, Head), Unwritable> {
    let mut sealed = head.clone();
    let before = head.count.saturating_sub(head.tail.len() as u64);
    let entries: Vec<Arc<Entry>> = sealed.tail.drain(..head.frozen).collect();
    sealed.frozen = 0;
    let Some(last) = entries.last().map(|entry| entry.position.clone()) else {
        return Ok((Vec::new(), sealed));
    };
    let mut running = Running {
        view: Some(View::clone(&head.base)),
        count: before,
        frame: head.frame,
        generation: head.generation,
    };
    let previous =
        head.sealed.clone().map(|key| Previous { key, expires_at: head.page_expires_at });
    let earliest = previous.as_ref().map_or(i64::MIN, |previous| previous.expires_at);
    let expires_at = expiry(last.observed_at, head.kept_days).max(earliest);
    let frame = Frame { number: 0, since: 0, bytes: 0, expires_at };
    let version = head.version;
    let page = Page { version, previous, expires_at, frame, keyframe: None, entries };
    let cutting = Cutting { kept_days: Some(head.kept_days), ..params.cutting() };
    let parts = running.parts(page, cutting);
    sealed.base = Arc::new(running.view.ok_or(Unwritable("a view that is not known"))?);
    sealed.sealed = Some(last);
    sealed.frame = running.frame;
    sealed.page_expires_at = expires_at;
    let pages = parts.into_iter().filter_map(|part| part.into_write(None).transpose());
    Ok((pages.collect::<Result<_, _>>()?, sealed))
}

/// Encodes a head and decides what of its tail the next commit seals.
///
/// # Errors
/// Its base cannot be encoded.
pub(crate) fn encode_with_freeze(
    head: &mut Head,
    params: &CommitParams,
    activity: &Activity,
    inserted: usize,
) -> Result<Vec<u8>, Unwritable> {
    head.frozen = 0;
    head.kept_days = params.policy.kept_days();
    let mut bytes = encode_head(head)?;
    // What this commit inserted into pages is not said by the next one.
    let note: usize = head.note.iter().map(position_size).sum();
    let item = item_size(&params.key, activity, bytes.len() - note.min(bytes.len()));
    head.frozen = freeze(head, item, inserted, params.item_limits);
    set_frozen(&mut bytes, head.frozen);
    Ok(bytes)
}

/// Bytes that DynamoDB counts for a head item: names and values of its attributes.
fn item_size(key: &SubjectKey, activity: &Activity, bytes: usize) -> usize {
    /// The names `pk`, `sk`, `v`, `d`, `a`, `h`, the sort key and a version of four digits.
    const NAMES_AND_NUMBERS: usize = 13;
    key.partition_key_size()
        + activity.shard.len()
        + activity.hour.len()
        + NAMES_AND_NUMBERS
        + bytes
}

/// Bytes that DynamoDB counts for a page item, at most.
pub(super) fn page_item_size(key: &SubjectKey, page: &PageWrite) -> usize {
    /// The names `pk`, `sk`, `v`, `d`, `x`, the first byte of the sort key and two numbers of up to 20 digits.
    const NAMES_AND_NUMBERS: usize = 7 + 1 + 2 * 12;
    key.partition_key_size() + page.page.key.len() + page.page.bytes.len() + NAMES_AND_NUMBERS
}

/// How many of the oldest tail entries to freeze when a head of `item_size` bytes has become too
/// large, or would with the next commit like this one, which added `inserted` entries.
fn freeze(head: &Head, item_size: usize, inserted: usize, item_limits: ItemLimits) -> usize {
    let (count, base_size) = (head.tail.len(), view_size(&head.base));
    let tail_plain: usize = head.tail.iter().map(|entry| entry.plain_size()).sum();
    // Every item carries the view: a tail that is small beside it would be sealed too often.
    if count == 0 || tail_plain < base_size {
        return 0;
    }
    let per_entry = item_size.saturating_sub(base_size / 2) / count;
    let fits = item_size + inserted * per_entry <= item_limits.head_target_bytes;
    if fits && tail_plain <= item_limits.slice_bytes {
        return 0;
    }
    let mut kept_bytes = 0;
    let kept = head.tail.iter().rev().take(item_limits.keep_entries).take_while(|entry| {
        kept_bytes += entry.plain_size();
        kept_bytes <= item_limits.keep_bytes
    });
    (count - kept.count()).min(usize::from(u16::MAX))
}
