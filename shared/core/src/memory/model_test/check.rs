//! The promises, as checks of stored state. Each says what it found.
//!
//! - [`answer`]: what environments acknowledge, and the answers of readers
//! - [`walk`]: a history that is read part by part

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::observed::{Observed, SeenHead};
use super::script::{SMALL, Sort, key, location, specs};
use crate::base::error::Code;
use crate::base::id::{Position, SubjectKey};
use crate::base::limits::FRAME_SECONDS;
use crate::dead_letter::envelope::Envelope;
use crate::event::Entry;
use crate::ledger::codec::{decode_head, decode_page};
use crate::ledger::{Head, Page, Previous, Stale};
use crate::memory::{State, place};
use crate::view::{View, fold};

macro_rules! promise {
    ($holds:expr, $($what:tt)*) => {
        if !$holds {
            return Err(format!($($what)*));
        }
    };
}

pub(super) mod answer;
pub(super) mod walk;

/// One subject as it is stored.
struct Stored {
    head: Head,
    pages: Vec<Page>,
}

pub(super) fn keys() -> [SubjectKey; 4] {
    [key(false, false), key(false, true), key(true, false), key(true, true)]
}

fn stored(state: &State, key: &SubjectKey) -> Result<Option<Stored>, String> {
    let pk = place(&location(key));
    let Some(head) = state.heads.get(&pk) else { return Ok(None) };
    let head = decode_head(&head.bytes).map_err(|error| error.to_string())?;
    let sealed = head.sealed.as_ref().map(Position::to_bytes).unwrap_or_default();
    let mut pages: BTreeMap<_, _> = state.pages.iter().collect();
    pages.extend(&state.unshown);
    let mine = pages.iter().filter(|((owner, at), _)| *owner == pk && *at <= sealed);
    let pages: Result<Vec<Page>, String> = mine
        .map(|(_, write)| decode_page(&write.page.bytes).map_err(|error| error.to_string()))
        .collect();
    Ok(Some(Stored { head, pages: pages? }))
}

impl Stored {
    fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.pages.iter().flat_map(|page| &page.entries).chain(&self.head.tail)
    }
}

/// A subject and its whole history.
pub(super) type Whole = (SubjectKey, Vec<Arc<Entry>>);

/// The whole history of each subject that has one.
pub(super) fn histories(state: &State) -> Result<Vec<Whole>, String> {
    let mut histories = Vec::new();
    for key in keys() {
        if let Some(now) = stored(state, &key)? {
            histories.push((key, now.entries().cloned().collect()));
        }
    }
    Ok(histories)
}

/// What must hold between any two calls (promises 1, 4, 7 and 10).
pub(super) fn stored_state(observed: &mut Observed) -> Result<(), String> {
    let memory = Arc::clone(&observed.memory);
    for key in keys() {
        let before = observed.heads.get(&key).cloned().unwrap_or_default();
        let written = memory.state().heads.get(&place(&location(&key))).map(|head| head.version);
        if written.unwrap_or_default() == before.version {
            continue;
        }
        let Some(now) = stored(&memory.state(), &key)? else { continue };
        let head = &now.head;
        promise!(head.version == before.version + 1, "4: a version jumped");
        promise!(head.epoch >= before.epoch, "4: the epoch fell");
        promise!(head.watermark >= before.watermark, "4: the watermark fell");
        history(observed, &key, &now)?;
        views(&now)?;
        keyframes(&now)?;
        bounds(&now)?;
        note(observed, &key, &before, &now);
    }
    Ok(())
}

/// Keeps what later checks and the report need of a version.
fn note(observed: &mut Observed, key: &SubjectKey, before: &SeenHead, now: &Stored) {
    let head = &now.head;
    let tally = &mut observed.tally;
    tally.commits += 1;
    tally.deep_events += head.note.len() as u64;
    let stale_from = head.stale.as_ref().map(|stale| stale.from.clone());
    match (&before.stale_from, &stale_from) {
        (Some(_), None) => tally.carries += 1,
        (Some(before), Some(from)) if from > before => tally.carry_parts += 1,
        _ => {}
    }
    let &Head { version, epoch, watermark, .. } = head;
    observed.heads.insert(key.clone(), SeenHead { version, epoch, watermark, stale_from });
    observed.histories.insert((key.clone(), version), now.entries().cloned().collect());
}

fn history(observed: &Observed, key: &SubjectKey, now: &Stored) -> Result<(), String> {
    let entries: Vec<&Arc<Entry>> = now.entries().collect();
    let sorted = entries.windows(2).all(|pair| pair[0].position < pair[1].position);
    promise!(sorted, "1: history is not sorted, or holds a position twice");
    let largest = entries.iter().map(|entry| entry.position.observed_at).max();
    promise!(now.head.watermark == largest, "7: the watermark is not the newest accepted event");
    let mine =
        observed.delivered.iter().map(|at| &observed.specs[*at]).filter(|spec| spec.key() == *key);
    let known: BTreeSet<(Position, String)> =
        mine.map(|spec| (spec.position(), spec.value())).collect();
    for entry in entries {
        let value = known.iter().any(|(position, value)| {
            *position == entry.position && entry.payload.contains(&format!(":{value}}}"))
        });
        promise!(value, "6: an entry that nobody sent: {}", entry.position);
    }
    Ok(())
}

/// Keyframes and the base are the folds that they say they are, as far as they hold.
fn views(now: &Stored) -> Result<(), String> {
    let specs = specs();
    let stale = now.head.stale.as_deref();
    let (mut view, mut count) = (View::default(), 0);
    let mut before: Option<Previous> = None;
    for page in &now.pages {
        promise!(page.previous == before, "1: a page names another predecessor");
        let earlier = before.as_ref().map_or(i64::MIN, |before| before.expires_at);
        promise!(earlier <= page.expires_at, "1: a page expires before an earlier one");
        let after = |stale: &Stale| before.as_ref().is_some_and(|before| before.key >= stale.from);
        if let Some(keyframe) = page.keyframe.as_ref().filter(|_| !stale.is_some_and(after)) {
            promise!(
                keyframe.opening == view && keyframe.count == count,
                "1: the keyframe of version {} in version {} opens after {} and not {count}",
                page.version,
                now.head.version,
                keyframe.count
            );
        }
        view = fold(view, &page.entries, specs);
        count += page.entries.len() as u64;
        before = page.key().map(|key| Previous { key: key.clone(), expires_at: page.expires_at });
    }
    let last = before.map(|before| before.key);
    promise!(last == now.head.sealed, "1: the last page is not the sealed one");
    promise!(stale.is_some() || *now.head.base == view, "1: the base is not the fold of the pages");
    let all = count + now.head.tail.len() as u64;
    promise!(now.head.count == all, "1: the head counts other entries than there are");
    promise!(now.head.frozen == 0 || now.head.kept_days > 0, "1: nothing says how long it is kept");
    Ok(())
}

/// Retention must always leave a keyframe: no page is far in time from the last one, once views are up
/// to date.
fn keyframes(now: &Stored) -> Result<(), String> {
    let mut since = None;
    for page in now.pages.iter().filter(|_| now.head.stale.is_none()) {
        let first = page.entries.first().map(|first| first.position.observed_at);
        since = if page.keyframe.is_some() { first } else { since };
        let last = page.key().map(|key| key.observed_at);
        let (Some(since), Some(last)) = (since, last) else {
            return Err("1: the first page is no keyframe".to_owned());
        };
        let seconds = last.whole_seconds() - since.whole_seconds();
        let near = page.keyframe.is_some() || seconds <= FRAME_SECONDS;
        promise!(near, "1: a page {seconds} seconds after the start of its keyframe");
    }
    Ok(())
}

fn bounds(now: &Stored) -> Result<(), String> {
    for page in &now.pages {
        let size = crate::ledger::codec::EncodedEntries::of(&page.entries).size();
        let fits = size <= SMALL.page_bytes || page.entries.len() == 1;
        promise!(fits, "10: a page of {size} bytes");
    }
    let tail: usize = now.head.tail.iter().map(|entry| entry.plain_size()).sum();
    // One slice, and what was not frozen before it: less than the view, or what is to be kept.
    let stays = crate::ledger::codec::view_size(&now.head.base).max(SMALL.keep_bytes);
    let limit = SMALL.slice_bytes + stays;
    promise!(tail <= limit, "10: a tail of {tail} bytes");
    Ok(())
}

/// The codes of the letters by the offset of their record.
fn letters(state: &State) -> BTreeMap<usize, BTreeSet<Code>> {
    let mut letters: BTreeMap<usize, BTreeSet<Code>> = BTreeMap::new();
    for message in &state.letters {
        let envelope: Envelope = serde_json::from_str(&message.body).expect("an envelope");
        let crate::intake::record::Source::Kafka { offset, .. } = envelope.source else { continue };
        let record = envelope.record().expect("readable").expect("whole");
        let unsendable = record.headers.iter().any(|(name, _)| name == "\u{FFFF}\u{1}");
        assert!(unsendable, "5: a letter that is not what was sent");
        let code = Code::ALL.into_iter().find(|code| code.as_str() == envelope.code);
        letters
            .entry(usize::try_from(offset).expect("an offset"))
            .or_default()
            .insert(code.expect("a known code"));
    }
    letters
}

/// After everything was delivered: promises 1, 2, 3 and 5.
pub(super) fn final_state(observed: &Observed) -> Result<(), String> {
    let state = observed.memory.state();
    let letters = letters(&state);
    promise!(state.buffer.is_empty(), "3: something stays in the buffer");
    let mut histories: BTreeMap<SubjectKey, BTreeMap<Position, String>> = BTreeMap::new();
    for key in keys() {
        let Some(now) = stored(&state, &key)? else { continue };
        let history = now
            .entries()
            .map(|entry| (entry.position.clone(), entry.payload.to_string()))
            .collect();
        histories.insert(key, history);
    }
    for (at, spec) in observed.specs.iter().enumerate() {
        promise!(observed.acknowledged.contains_key(&at), "3: never acknowledged: {spec:?}");
        let history = histories.get(&spec.key());
        let there = history.and_then(|history| history.get(&spec.position()));
        let ours = there.is_some_and(|payload| payload.contains(&format!(":{}}}", spec.value())));
        let codes = letters.get(&at).cloned().unwrap_or_default();
        let expected = match spec.sort {
            Sort::Good | Sort::OtherContent if ours => codes.is_empty(),
            // Read by another version than the first one of its position, it counts as a duplicate.
            Sort::Good | Sort::OtherContent if observed.contract_version > 1 => {
                let mismatch = BTreeSet::from([Code::PayloadMismatch]);
                there.is_some() && codes.is_subset(&mismatch)
            }
            Sort::Good | Sort::OtherContent => {
                there.is_some() && codes == BTreeSet::from([Code::PayloadMismatch])
            }
            Sort::Poison => codes == BTreeSet::from([Code::MalformedJson]),
            Sort::FutureClock => !ours && codes == BTreeSet::from([Code::FutureTimestamp]),
        };
        promise!(expected, "3: {spec:?} ended with letters {codes:?}, in history: {ours}");
    }
    Ok(())
}
