//! Lists a tenant's subjects, the most recently active first. A listing reads the index `activity`:
//! eight shards for each kind, sorted by the hour of a subject's newest event, then by id. [`list`]
//! merges shards and kinds into one order. It reads a shard further only after it has listed
//! everything read from it. The next page starts at a [`Mark`], the position of the last listed
//! subject.
//!
//! The index is exact to the hour and eventually consistent. A subject that becomes active during a
//! listing may move to the front, past the reader's position, and is then missed. No subject is
//! listed twice, because subjects never move back.

use std::collections::VecDeque;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};

use crate::base::cost::Units;
use crate::base::error::{Reason, Unavailable};
use crate::base::id::{Kind, SubjectId};
use crate::base::limits;
use crate::ledger::shard::Shard;
use crate::ports::Listing;

/// Shards that are read concurrently.
const CONCURRENCY: usize = 16;
/// Minimum number of entries per call.
const LEAST_ENTRIES: usize = 8;

/// A subject in the index. The greatest is the most recently active, so a listing is in descending
/// order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    mark: Mark,
    subject: SubjectId,
}

/// A position in a listing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "(String, String)", into = "(String, String)")]
pub struct Mark {
    /// [`Activity::hour`]
    hour: String,
    kind: Kind,
}

/// The text is not a position in a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a position in a listing")]
pub struct NoMark;

impl TryFrom<(String, String)> for Mark {
    type Error = NoMark;

    fn try_from((hour, kind): (String, String)) -> Result<Self, NoMark> {
        let kind = Kind::parse(&kind).map_err(|_| NoMark)?;
        let (digits, id) = hour.split_once('#').ok_or(NoMark)?;
        SubjectId::decoded(kind.clone(), id).ok_or(NoMark)?;
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NoMark);
        }
        Ok(Self { hour, kind })
    }
}

impl From<Mark> for (String, String) {
    fn from(mark: Mark) -> Self {
        (mark.hour, mark.kind.to_string())
    }
}

impl Listed {
    fn new(kind: &Kind, hour: String) -> Result<Self, Unavailable> {
        let id = hour.split_once('#').map_or("", |(_, id)| id);
        let subject = SubjectId::decoded(kind.clone(), id).ok_or_else(|| {
            Unavailable::new(Reason::Corrupt, "an entry of the listing index is invalid")
        })?;
        Ok(Self { mark: Mark { hour, kind: kind.clone() }, subject })
    }

    /// The subject.
    pub fn subject(&self) -> &SubjectId {
        &self.subject
    }

    /// Converts into the subject.
    pub fn into_subject(self) -> SubjectId {
        self.subject
    }

    /// The subject's position.
    pub fn mark(&self) -> &Mark {
        &self.mark
    }
}

impl Mark {
    /// The exclusive upper bound of this kind's entries after this position.
    fn below(&self, kind: &Kind) -> String {
        if *kind < self.kind {
            // The same hour and id of this kind comes after the position. Ids never contain this
            // character.
            return format!("{}\u{1}", self.hour);
        }
        self.hour.clone()
    }
}

/// Lists the most recently active subjects of these kinds after a position: at most `limit`, and at
/// most [`limits::LISTED_SUBJECTS`]. Also returns whether more follow, and the cost.
///
/// # Errors
/// The index does not answer, or an entry is invalid.
pub async fn list(
    listing: &impl Listing,
    shards: Vec<Shard>,
    after: Option<&Mark>,
    limit: usize,
) -> Result<(Vec<Listed>, bool, Units), Unavailable> {
    let limit = limit.min(limits::LISTED_SUBJECTS);
    let part = |shard: Shard| {
        let below = after.map(|mark| mark.below(shard.kind()));
        Part { shard, below, read: VecDeque::new(), has_more: true }
    };
    let mut parts: Vec<Part> = shards.into_iter().map(part).collect();
    // Twice each shard's share, so that most listings need one call per shard.
    let share = limit.saturating_mul(2) / parts.len().max(1);
    let mut entries = share.max(LEAST_ENTRIES).min(limit + 1);
    let (mut listed, mut units) = (Vec::new(), Units::default());
    loop {
        units += read_further(listing, &mut parts, entries).await?;
        // One more than the limit shows whether more follow.
        if !merge(&mut parts, &mut listed, limit + 1) {
            let more = listed.len() > limit;
            listed.truncate(limit);
            return Ok((listed, more, units));
        }
        entries = entries.saturating_mul(2).min(limit + 1);
    }
}

/// The read part of a shard.
struct Part {
    shard: Shard,
    /// The exclusive upper bound of the next entries.
    below: Option<String>,
    /// Entries that were read and not listed yet.
    read: VecDeque<Listed>,
    has_more: bool,
}

impl Part {
    fn is_exhausted(&self) -> bool {
        self.read.is_empty() && self.has_more
    }
}

/// Reads this many entries of each shard whose read entries are all listed.
async fn read_further(
    listing: &impl Listing,
    parts: &mut [Part],
    entries: usize,
) -> Result<Units, Unavailable> {
    let exhausted = parts.iter_mut().filter(|part| part.is_exhausted());
    let reads = exhausted.map(|part| async move {
        let read = listing.hours(&part.shard, part.below.as_deref(), entries).await?;
        part.has_more = read.answer.len() >= entries;
        part.below = read.answer.last().cloned().or(part.below.take());
        for hour in read.answer {
            part.read.push_back(Listed::new(part.shard.kind(), hour)?);
        }
        Ok(read.units)
    });
    // Collected into a list, because a closure inside the stream would make the future not `Send`.
    let reads: Vec<_> = reads.collect();
    let costs: Vec<Units> = stream::iter(reads).buffer_unordered(CONCURRENCY).try_collect().await?;
    let mut units = Units::default();
    costs.into_iter().for_each(|cost| units += cost);
    Ok(units)
}

/// Moves the greatest entries to the list, up to `most`, while every part knows its next entry.
/// Returns whether a part must be read further first.
fn merge(parts: &mut [Part], listed: &mut Vec<Listed>, most: usize) -> bool {
    while listed.len() < most {
        if parts.iter().any(Part::is_exhausted) {
            return true;
        }
        let largest =
            parts.iter_mut().max_by(|one, other| one.read.front().cmp(&other.read.front()));
        let Some(next) = largest.and_then(|part| part.read.pop_front()) else { return false };
        listed.push(next);
    }
    false
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use proptest::prelude::*;

    use super::*;
    use crate::base::id::TenantId;
    use crate::base::scope::TenantScope;
    use crate::base::time::Timestamp;
    use crate::ledger::{Activity, LedgerWrite, StoredHead};
    use crate::memory::Memory;
    use crate::ports::{Store as _, SubjectLocation};

    fn scope() -> TenantScope {
        TenantScope::by_operator(TenantId::parse("demo").expect("a tenant"))
    }

    fn kinds() -> [Kind; 3] {
        ["asset", "device", "user"].map(|kind| Kind::parse(kind).expect("a kind"))
    }

    /// Stores a subject whose newest event was observed in this hour.
    fn put(memory: &Memory, kind: &Kind, id: &str, hour: i64) {
        let subject = SubjectId::new(kind.clone(), id).expect("a subject");
        let location = SubjectLocation { key: scope().subject(subject), table: None };
        let watermark = Timestamp::from_micros(0).expect("in range").plus_seconds(3_600 * hour);
        let write = LedgerWrite {
            expected: None,
            head: StoredHead { version: 1, bytes: Vec::new() },
            activity: Activity::of(&location.key, watermark),
            pages: Vec::new(),
        };
        memory.write(&location, &write).now_or_never().expect("ready").expect("written");
    }

    /// Reads a whole listing in pages of `limit`.
    fn walk(memory: &Memory, limit: usize) -> Vec<Listed> {
        let mut all: Vec<Listed> = Vec::new();
        loop {
            let kinds = kinds();
            let scope = scope();
            let shards = kinds.iter().flat_map(|kind| Shard::all(&scope, kind, None)).collect();
            let after = all.last().map(|last| last.mark().clone());
            let read = list(memory, shards, after.as_ref(), limit).now_or_never();
            let (listed, more, _) = read.expect("ready").expect("listed");
            assert!(listed.len() <= limit);
            all.extend(listed);
            if !more {
                return all;
            }
        }
    }

    proptest! {
        #[test]
        fn every_subject_is_listed_once_and_the_newest_hour_first(
            subjects in proptest::collection::btree_map((0usize..3, 0u8..20), 1i64..5, 0..40),
            limit in 1usize..12,
        ) {
            let memory = Memory::new(Timestamp::MIN);
            for ((kind, id), hour) in &subjects {
                put(&memory, &kinds()[*kind], &format!("s{id}"), *hour);
            }
            let listed = walk(&memory, limit);
            prop_assert_eq!(listed.len(), subjects.len());
            prop_assert!(listed.is_sorted_by(|one, next| one > next));
            let hours: Vec<&str> = listed.iter().map(|one| &one.mark.hour[..8]).collect();
            prop_assert!(hours.is_sorted_by(|one, next| one >= next));
        }
    }

    #[test]
    fn only_a_written_mark_is_read_back() {
        let mark = |json: &str| serde_json::from_str::<Mark>(json);
        let good = r#"["00000007#d%2F1","device"]"#;
        let read = mark(good).expect("a mark");
        assert_eq!(serde_json::to_string(&read).expect("JSON"), good);
        for bad in
            [["7", "device"], ["7#d/1", "device"], ["#d", "device"], ["7#d", "Device"], ["7#", "d"]]
        {
            let bad = serde_json::to_string(&bad).expect("JSON");
            assert!(mark(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_same_id_under_two_kinds_is_listed_twice() {
        let memory = Memory::new(Timestamp::MIN);
        for kind in kinds() {
            put(&memory, &kind, "same", 1);
        }
        let found = walk(&memory, 1);
        let found: Vec<String> = found.iter().map(|one| one.subject().to_string()).collect();
        assert_eq!(found, ["user/same", "device/same", "asset/same"]);
    }
}
