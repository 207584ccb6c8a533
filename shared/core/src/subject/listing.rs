//! Which subjects a tenant has, the most recently active first. A listing reads the index
//! `activity`: eight shards for each kind, sorted by the hour of a subject's newest event and then
//! by its id; [`list`] merges shards and kinds into one order, and reads a shard further only when it
//! has shown what it read of it. It goes on from a [`Mark`], the place
//! of the last subject that was shown.
//!
//! The index is exact to the hour, and follows the ledger a moment later (its reads are eventually
//! consistent). So a subject that becomes active while somebody goes through a listing may move to
//! its front, where that reader has been already; nothing is shown twice for that, unless it moves
//! back, which no subject does.

use std::collections::VecDeque;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};

use crate::base::cost::Units;
use crate::base::error::{Reason, Unavailable};
use crate::base::id::{Kind, SubjectId};
use crate::base::limits;
use crate::ledger::shard::Shard;
use crate::ports::Listing;

/// Shards that are read together.
const CONCURRENCY: usize = 16;
/// The fewest places that one call asks for.
const LEAST_PLACES: usize = 8;

/// A subject as the index has it. The order is that of a listing: backwards, the last is the most
/// recently active.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    mark: Mark,
    subject: SubjectId,
}

/// A place in a listing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "(String, String)", into = "(String, String)")]
pub struct Mark {
    /// [`Activity::hour`]
    hour: String,
    kind: Kind,
}

/// A text that is no place in a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a place in a listing")]
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
            Unavailable::new(Reason::Corrupt, "a place in the listing index has another shape")
        })?;
        Ok(Self { mark: Mark { hour, kind: kind.clone() }, subject })
    }

    /// The subject.
    pub fn subject(&self) -> &SubjectId {
        &self.subject
    }

    /// The subject, and nothing else.
    pub fn into_subject(self) -> SubjectId {
        self.subject
    }

    /// Its place.
    pub fn mark(&self) -> &Mark {
        &self.mark
    }
}

impl Mark {
    /// What the hours of this kind have to sort before, to come after this place.
    fn below(&self, kind: &Kind) -> String {
        if *kind < self.kind {
            // The same hour and id under this kind comes after it. No id has such a character.
            return format!("{}\u{1}", self.hour);
        }
        self.hour.clone()
    }
}

/// The most recently active subjects of these kinds after a place: at most `limit`, of which there
/// may be [`limits::LISTED_SUBJECTS`]. Also whether there are more, and what it cost.
///
/// # Errors
/// The index did not answer, or its content makes no sense.
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
    // Twice the share of each: then most listings are done with one call of each shard.
    let share = limit.saturating_mul(2) / parts.len().max(1);
    let mut places = share.max(LEAST_PLACES).min(limit + 1);
    let (mut listed, mut units) = (Vec::new(), Units::default());
    loop {
        units += read_further(listing, &mut parts, places).await?;
        // One more: then it is known whether there are more.
        if !merge(&mut parts, &mut listed, limit + 1) {
            let more = listed.len() > limit;
            listed.truncate(limit);
            return Ok((listed, more, units));
        }
        places = places.saturating_mul(2).min(limit + 1);
    }
}

/// A shard, as far as it was read.
struct Part {
    shard: Shard,
    /// What the next places sort before.
    below: Option<String>,
    /// What was read and is not listed yet.
    read: VecDeque<Listed>,
    has_more: bool,
}

impl Part {
    fn is_used_up(&self) -> bool {
        self.read.is_empty() && self.has_more
    }
}

/// Reads so many places of each shard of which nothing is left.
async fn read_further(
    listing: &impl Listing,
    parts: &mut [Part],
    places: usize,
) -> Result<Units, Unavailable> {
    let used_up = parts.iter_mut().filter(|part| part.is_used_up());
    let reads = used_up.map(|part| async move {
        let read = listing.hours(&part.shard, part.below.as_deref(), places).await?;
        part.has_more = read.answer.len() >= places;
        part.below = read.answer.last().cloned().or(part.below.take());
        for hour in read.answer {
            part.read.push_back(Listed::new(part.shard.kind(), hour)?);
        }
        Ok(read.units)
    });
    // In a list: inside the stream, the closure would keep the future from being sent to a thread.
    let reads: Vec<_> = reads.collect();
    let costs: Vec<Units> = stream::iter(reads).buffer_unordered(CONCURRENCY).try_collect().await?;
    let mut units = Units::default();
    costs.into_iter().for_each(|cost| units += cost);
    Ok(units)
}

/// Moves the largest places to the list, up to so many, as long as each part says what comes next of it.
/// Says whether a part has to be read further first.
fn merge(parts: &mut [Part], listed: &mut Vec<Listed>, most: usize) -> bool {
    while listed.len() < most {
        if parts.iter().any(Part::is_used_up) {
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

    /// A subject whose newest event was observed in this hour.
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

    /// A whole listing, `limit` at a time.
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
    fn a_mark_is_read_again_and_nothing_else_is_one() {
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
