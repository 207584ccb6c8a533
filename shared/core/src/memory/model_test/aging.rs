//! The months after a case: pages expire, and DynamoDB deletes them late and in any order. Letters of
//! the time of the case are replayed, and a sweep carries as late as it may. Views keep counting what
//! is gone, and no reader sees half of a history.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::check;
use super::observed::Observed;
use super::script::{Id, POLICY, SMALL, Sort, Spec, location, specs};
use crate::base::error::Code;
use crate::base::id::{Position, SubjectKey};
use crate::base::limits::CARRY_BEFORE_SECONDS;
use crate::base::time::Timestamp;
use crate::event::Entry;
use crate::intake::record::Incoming;
use crate::ledger::codec::decode_head;
use crate::ledger::dialogue::CommitParams;
use crate::ledger::read::Question;
use crate::memory::{Memory, place};
use crate::pipeline::subject::carry;
use crate::pipeline::{Disposition, Pipeline};
use crate::registry::Registry;
use crate::subject::reader;
use crate::view::{View, fold};

const DAY: i64 = 24 * 60 * 60;
/// Every page of a case has expired after so many days.
const DAYS: i64 = 140;
const STEP_DAYS: usize = 4;
const DAYS_OF_A_STEP: i64 = 4;

/// Lets time pass, and holds every reader's answer against what there was in the beginning and what
/// letters added.
pub(super) fn age(observed: &mut Observed, pipeline: &Pipeline) -> Result<(), String> {
    let memory = Arc::clone(&observed.memory);
    let mut subjects = check::histories(&memory.state())?;
    let registry = Registry::new();
    for day in (0..DAYS).step_by(STEP_DAYS) {
        let now = memory.state().now;
        memory.state().now = now.plus_seconds(DAYS_OF_A_STEP * DAY);
        delete_some(&memory, day);
        for (key, entries) in &mut subjects {
            if is_due(&memory, key)? {
                let params = CommitParams::new(key.clone(), POLICY, SMALL);
                complete(&memory, carry(&**memory, &registry, location(key), params))
                    .map_err(|error| error.to_string())?;
            }
            read(&memory, key, entries, day)?;
            for letter in letters(&observed.specs, key, day) {
                let known = entries.len();
                replay(&memory, pipeline, entries, &letter)?;
                observed.tally.letters += 1;
                observed.tally.letters_applied += (entries.len() - known) as u64;
            }
            read(&memory, key, entries, day)?;
        }
    }
    Ok(())
}

/// Two letters of a subject: an event that no delivery had before, and one that was delivered.
fn letters(specs: &[Spec], key: &SubjectKey, day: i64) -> Vec<Spec> {
    let mine: Vec<&Spec> =
        specs.iter().filter(|spec| spec.key() == *key && spec.sort == Sort::Good).collect();
    let pick = |factor: usize| {
        let day = usize::try_from(day).unwrap_or(0);
        mine.get(day.wrapping_mul(factor) % mine.len().max(1)).map(|spec| Spec::clone(spec))
    };
    // No other delivery has its id.
    let id = Id::Given(10 + u8::try_from(day).unwrap_or(0));
    let first = pick(0x9e37_79b9).map(|spec| Spec { id, ..spec });
    first.into_iter().chain(pick(0x85eb_ca6b)).collect()
}

/// Replays a letter with the time when it was received first. `entries`: the history so far, to which
/// its event is added.
fn replay(
    memory: &Memory,
    pipeline: &Pipeline,
    entries: &mut Vec<Arc<Entry>>,
    letter: &Spec,
) -> Result<(), String> {
    let (key, position) = (letter.key(), letter.position());
    let at = entries.binary_search_by(|entry| entry.position.cmp(&position));
    let record = vec![Incoming::Record(letter.record(0))];
    let report = complete(memory, pipeline.process(memory, record, Timestamp::MAX));
    let report = report.map_err(|open| format!("the breaker opened: {open}"))?;
    let now = memory.state().now;
    match (report.dispositions.as_slice(), at) {
        ([Disposition::Applied], Err(at)) => {
            let stored = entry_at(memory, &key, &position)?;
            entries.insert(at, stored.ok_or("5: a letter applied, and not in the history")?);
            Ok(())
        }
        ([Disposition::Duplicate], Ok(_)) => Ok(()),
        ([Disposition::DeadLettered(Code::BeyondRetention)], _)
            if position.observed_at.plus_seconds(POLICY.retention_days * DAY) < now =>
        {
            Ok(())
        }
        // Of the same position with other content.
        ([Disposition::DeadLettered(Code::PayloadMismatch)], Ok(_)) => Ok(()),
        (ended, at) => {
            Err(format!("8: a letter of {position} at {now} ended with {ended:?}, known: {at:?}"))
        }
    }
}

fn entry_at(
    memory: &Memory,
    key: &SubjectKey,
    position: &Position,
) -> Result<Option<Arc<Entry>>, String> {
    let histories = check::histories(&memory.state())?;
    let mine = histories.into_iter().filter(|(owner, _)| owner == key);
    Ok(mine.flat_map(|(_, entries)| entries).find(|entry| entry.position == *position))
}

/// As the sweep of a silent subject does, only as late as it may.
fn is_due(memory: &Memory, key: &SubjectKey) -> Result<bool, String> {
    let state = memory.state();
    let Some(head) = state.heads.get(&place(&location(key))) else { return Ok(false) };
    let head = decode_head(&head.bytes).map_err(|error| error.to_string())?;
    let latest = head.stale.map(|stale| stale.expires_at - CARRY_BEFORE_SECONDS);
    Ok(latest.is_some_and(|latest| latest <= state.now.whole_seconds()))
}

/// Of the pages that may be deleted, about half.
fn delete_some(memory: &Memory, day: i64) {
    let state = &mut *memory.state();
    let (now, mut at) = (state.now.whole_seconds(), day);
    state.pages.retain(|_, page| {
        at = at.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e);
        page.expires_at > now || (at >> 33) % 2 == 0
    });
}

fn read(memory: &Memory, key: &SubjectKey, entries: &[Arc<Entry>], day: i64) -> Result<(), String> {
    let (location, specs) = (location(key), specs());
    let ask = |question| {
        let read = complete(memory, reader::read(memory, &location, question));
        let read = read.map_err(|error| format!("a reader on day {day}: {error}"))?;
        read.0.ok_or_else(|| "1: a subject is gone".to_owned())
    };
    let live = ask(Question::Live)?.live(specs);
    if live != fold(View::default(), entries, specs) {
        return Err(format!("1: on day {day} the view is not the fold of all that there was"));
    }
    let history = ask(Question::History { from: None, to: None })?;
    let kept: Vec<_> = history.entries().map(|entry| &entry.position).collect();
    let all: Vec<_> = entries.iter().map(|entry| &entry.position).collect();
    if !all.ends_with(&kept) {
        return Err(format!("1: on day {day} a history has a hole"));
    }
    let Some(middle) = entries.get(usize::try_from(day).unwrap_or(0) % entries.len().max(1)) else {
        return Ok(());
    };
    let instant = middle.position.observed_at;
    let until = |entry: &&Arc<Entry>| entry.position.observed_at <= instant;
    match ask(Question::AsOf(instant))?.as_of(instant, specs) {
        Some(view) if view != fold(View::default(), entries.iter().take_while(until), specs) => {
            Err(format!("1: on day {day} a view of the past is not the fold of its past"))
        }
        _ => Ok(()),
    }
}

fn complete<T>(memory: &Memory, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        memory.step();
        if let Poll::Ready(answer) = future.as_mut().poll(&mut context) {
            return answer;
        }
    }
}
