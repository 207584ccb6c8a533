//! What is cut off: which tail entries are frozen, the pages that they are sealed into, and the
//! halves of a page that has become too large.

use std::sync::Arc;

use crate::base::id::SubjectKey;
use crate::base::limits::{self, ItemLimits};
use crate::event::Entry;
use crate::ledger::codec::{encode_head, encode_page, entries_size, set_frozen, view_size};
use crate::ledger::dialogue::CommitParams;
use crate::ledger::{Activity, Head, Page, PageWrite, Policy, StoredPage};
use crate::view::View;

/// Moves the frozen entries of a head out of its tail: the pages to put, and the head as it is
/// once they are there.
pub(crate) fn seal(head: &Head, params: &CommitParams) -> (Vec<PageWrite>, Head) {
    let mut sealed = head.clone();
    let entries: Vec<Arc<Entry>> = sealed.tail.drain(..head.frozen).collect();
    sealed.frozen = 0;
    let Some(last) = entries.last().map(|entry| entry.position.clone()) else {
        return (Vec::new(), sealed);
    };
    let opening = View::clone(&head.base);
    let page = Page { version: head.version, previous: head.sealed.clone(), opening, entries };
    let (parts, closing) = halved(page, params);
    sealed.base = Arc::new(closing);
    sealed.sealed = Some(last);
    sealed.revision = head.revision.max(params.specs.revision);
    let write = |(part, bytes)| page_write(&part, bytes, None, params.policy);
    (parts.into_iter().filter_map(write).collect(), sealed)
}

/// Encodes a head and decides what of its tail the next commit seals.
pub(crate) fn encode_with_freeze(
    head: &mut Head,
    params: &CommitParams,
    activity: &Activity,
    inserted: usize,
) -> Vec<u8> {
    head.frozen = 0;
    let mut bytes = encode_head(head);
    let item = item_size(&params.key, activity, bytes.len());
    head.frozen = freeze(head, item, inserted, params.item_limits);
    set_frozen(&mut bytes, head.frozen);
    bytes
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

/// A page as it is written: in halves, and halves of halves, until each fits. The upper part keeps
/// the key, each lower one takes its own last position. Also the view after all of it.
pub(super) fn halved(mut page: Page, params: &CommitParams) -> (Vec<(Page, Vec<u8>)>, View) {
    if page.entries.len() < 2 || fits(&page.entries, params.item_limits) {
        let (bytes, closing) = (encode_page(&page), page.closing(&params.specs));
        return (vec![(page, bytes)], closing);
    }
    let upper = page.entries.split_off(page.entries.len() / 2);
    let (version, previous) = (page.version, page.key().cloned());
    let (mut parts, middle) = halved(page, params);
    let upper = Page { version, previous, opening: middle, entries: upper };
    let (upper_parts, closing) = halved(upper, params);
    parts.extend(upper_parts);
    (parts, closing)
}

/// Whether entries make one page. Their opening does not count: two writers with different specs
/// must seal the same frozen entries into the same pages.
fn fits(entries: &[Arc<Entry>], item_limits: ItemLimits) -> bool {
    let plain: usize = entries.iter().map(|entry| entry.plain_size()).sum();
    plain <= item_limits.page_bytes
        || plain <= limits::PAGE_PLAIN_BYTES && entries_size(entries) <= item_limits.page_bytes
}

pub(super) fn page_write(
    page: &Page,
    bytes: Vec<u8>,
    replaces: Option<u64>,
    policy: Policy,
) -> Option<PageWrite> {
    let key = page.key()?;
    let expires_at = policy.expires_at(key.observed_at);
    let stored = StoredPage { key: key.to_bytes(), bytes };
    Some(PageWrite { page: stored, version: page.version, replaces, expires_at })
}
