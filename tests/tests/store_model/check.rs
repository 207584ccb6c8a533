//! The promises, by their numbers in the README. Each check reports its finding.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use drover_core::base::error::Code;
use drover_core::base::id::Position;
use drover_core::dead_letter::envelope::Envelope;
use drover_core::event::{ContractVersion, Entry};
use drover_core::intake::contract::{Contract, ContractDocument};
use drover_core::intake::record::Source;
use drover_core::ledger::Head;
use drover_core::ledger::read::{Question, Snapshot};
use drover_core::pipeline::Disposition;
use drover_core::subject::reader;
use drover_core::view::{Specs, View, fold};
use serde_json::{Value, json};

use super::event::{CaseSubject, Sort, Spec, reference};
use super::run::{CONTRACT, Case};

macro_rules! promise {
    ($holds:expr, $($what:tt)*) => {
        if !$holds {
            return Err(format!($($what)*));
        }
    };
}

fn specs() -> Specs {
    let document = ContractDocument::parse(CONTRACT).expect("a document");
    let contract = Contract::compile(&document).expect("a contract");
    let version = ContractVersion { number: 1, ..contract.version() };
    Specs::from_iter([(version, contract.view_spec())])
}

/// A record has the result of its sort, or waits.
pub(crate) fn disposition(spec: &Spec, disposition: Disposition) -> Result<(), String> {
    use Disposition::{Applied, Buffered, DeadLettered, Duplicate, Ignored, Returned};
    let fits = match disposition {
        Applied | Duplicate => spec.sort == Sort::Good,
        DeadLettered(Code::MalformedJson) => spec.sort == Sort::Poison,
        DeadLettered(Code::FutureTimestamp) => spec.sort == Sort::FutureClock,
        DeadLettered(_) | Ignored => false,
        Buffered | Returned => true,
    };
    promise!(fits, "5: {spec:?} became {disposition:?}");
    Ok(())
}

/// A reader gets one consistent state, with every event that was acknowledged before.
pub(crate) fn snapshot(snapshot: Option<&Snapshot>, must_see: &[Position]) -> Result<(), String> {
    let Some(snapshot) = snapshot else {
        promise!(must_see.is_empty(), "4: acknowledged events are missing");
        return Ok(());
    };
    let entries: Vec<&Arc<Entry>> = snapshot.entries().collect();
    let sorted = entries.windows(2).all(|pair| pair[0].position < pair[1].position);
    promise!(sorted, "1: an unsorted history");
    let seen: BTreeSet<&Position> = entries.iter().map(|entry| &entry.position).collect();
    let missing = must_see.iter().find(|position| !seen.contains(position));
    promise!(missing.is_none(), "4: acknowledged, and not in the history: {missing:?}");
    let folded = fold(View::default(), entries.iter().copied(), &specs());
    promise!(snapshot.live(&specs()) == folded, "1: the view is not the fold of the history");
    Ok(())
}

/// No record is left unacknowledged.
pub(crate) fn all_acknowledged(case: &Case) -> Result<(), String> {
    let acknowledged = case.acknowledged.borrow();
    let waits = |disposition: &Disposition| *disposition == Disposition::Buffered;
    let open = (0..case.specs.len()).find(|at| acknowledged.get(at).is_none_or(waits));
    promise!(open.is_none(), "3: a record is still unacknowledged: {open:?}");
    Ok(())
}

/// Histories and views equal the reference, versions rose by one, and every rejection has its
/// letter.
pub(crate) async fn end(case: &Case) -> Result<(), String> {
    let mut expected = reference(&case.specs);
    for case_subject in CaseSubject::all(case.seed) {
        let expected = expected.remove(&case_subject).unwrap_or_default();
        let question = Question::History { from: None, to: None };
        let (read, _) =
            reader::read(case.recorded_ports.store(), &case_subject.location(), question)
                .await
                .map_err(|error| error.to_string())?;
        snapshot(read.as_ref(), &[])?;
        let Some(read) = read else {
            promise!(expected.is_empty(), "2: a history is missing");
            continue;
        };
        history(&read, &expected)?;
        view(&read, &expected)?;
        versions(case, case_subject, &read.head)?;
    }
    letters(case)
}

fn history(read: &Snapshot, expected: &BTreeMap<Position, i32>) -> Result<(), String> {
    let stored = read.entries().map(|entry| {
        let payload: Value = serde_json::from_str(&entry.payload).unwrap_or_default();
        (entry.position.clone(), payload["value"].clone())
    });
    let expected = expected.iter().map(|(position, value)| (position.clone(), json!(value)));
    let (stored, expected): (Vec<_>, Vec<_>) = (stored.collect(), expected.collect());
    promise!(stored == expected, "1, 2: stored {stored:?}, expected {expected:?}");
    let watermark = expected.iter().map(|(position, _)| position.observed_at).max();
    promise!(read.head.watermark == watermark, "7: the watermark is not the newest event");
    Ok(())
}

/// The sums of a sorted map, without the units of a view.
fn view(read: &Snapshot, expected: &BTreeMap<Position, i32>) -> Result<(), String> {
    let live = read.live(&specs());
    promise!(live.event_count == expected.len() as u64, "2: {} events", live.event_count);
    let last = expected.last_key_value();
    promise!(
        live.last_observed_at == last.map(|(position, _)| position.observed_at),
        "1: the last event differs"
    );
    let values: Vec<f64> = expected.values().map(|value| f64::from(*value)).collect();
    let stored = serde_json::to_value(&live.measures).map_err(|error| error.to_string())?;
    let stored = &stored["by_name"]["temperature"];
    for (name, expected) in [
        ("sum", values.iter().sum()),
        ("min", values.iter().copied().fold(f64::INFINITY, f64::min)),
        ("max", values.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
        ("last", values.last().copied().unwrap_or_default()),
    ] {
        promise!(stored[name].as_f64() == Some(expected), "1: {name} of {stored} is {expected}");
    }
    Ok(())
}

/// Each version was written once, and none is above the last. Only writes with a lost response are
/// unknown.
fn versions(case: &Case, case_subject: CaseSubject, last: &Head) -> Result<(), String> {
    let noted = case.recorded_ports.noted();
    let key = case_subject.location().key.partition_key();
    let mut heads: Vec<&Head> = noted.written.get(&key).into_iter().flatten().collect();
    heads.sort_by_key(|head| head.version);
    for pair in heads.windows(2) {
        let (before, after) = (pair[0], pair[1]);
        promise!(before.version < after.version, "4: version {} twice", after.version);
        promise!(before.epoch <= after.epoch, "4: the epoch fell");
        promise!(before.watermark <= after.watermark, "4: the watermark fell");
    }
    let newest = heads.last().map_or(0, |head| head.version);
    promise!(newest <= last.version, "4: version {newest} is lost, {} is stored", last.version);
    let known = u64::try_from(heads.len()).unwrap_or(u64::MAX);
    let unheard = *case.crashes.borrow() + noted.unanswered;
    promise!(last.version - known <= unheard, "4: version {}, {known} writes", last.version);
    Ok(())
}

fn letters(case: &Case) -> Result<(), String> {
    let mut offsets = BTreeSet::new();
    for message in &case.recorded_ports.noted().letters {
        let envelope: Envelope =
            serde_json::from_str(&message.body).map_err(|error| error.to_string())?;
        if let Source::Kafka { offset, .. } = envelope.source {
            offsets.insert(usize::try_from(offset).unwrap_or(usize::MAX));
        }
    }
    let rejected = case.specs.iter().enumerate().filter(|(_, spec)| spec.sort != Sort::Good);
    let rejected: BTreeSet<usize> = rejected.map(|(at, _)| at).collect();
    promise!(offsets == rejected, "3: letters of {offsets:?}, rejected were {rejected:?}");
    Ok(())
}
