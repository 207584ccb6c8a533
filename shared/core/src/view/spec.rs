//! What the units of a view read, by contract, and what a unit is.

use std::collections::BTreeMap;
use std::sync::Arc;

use jsonptr::PointerBuf;

use super::numbers::Numbers;
use super::payload::{Found, Payload};
use super::units;
use crate::base::time::Timestamp;
use crate::event::Entry;

/// What the units read from the payloads of one contract.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ViewSpec {
    /// Numbers whose statistics are kept.
    pub measures: Vec<MeasureSpec>,
    /// Where the status is.
    pub status: Option<StatusSpec>,
    /// Where the location is.
    pub location: Option<LocationSpec>,
}

/// A number in the payload whose statistics are kept.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasureSpec {
    /// Its name in the view, at most [`MEASURE_NAME_BYTES`](crate::base::limits::MEASURE_NAME_BYTES).
    pub name: Arc<str>,
    /// The event types that are read; empty: all.
    pub types: Vec<Arc<str>>,
    /// Where the number is.
    pub path: PointerBuf,
    /// What it is measured in, at most [`UNIT_BYTES`](crate::base::limits::UNIT_BYTES).
    pub unit: Option<Arc<str>>,
    /// Where the payload names the unit that the number came in.
    pub unit_path: Option<PointerBuf>,
    /// Which texts are numbers, too.
    pub numbers: Numbers,
    /// Entries ingested from here on are read; `None`: all. A measure that is added to a
    /// contract later must not depend on which pages happened to be folded again.
    pub since: Option<Timestamp>,
}

/// Where a payload has its status.
#[derive(Clone, Debug, PartialEq)]
pub struct StatusSpec {
    /// Where the status is.
    pub path: PointerBuf,
    /// The event types that are read; empty: all.
    pub types: Vec<Arc<str>>,
}

/// Where a payload has its location, in degrees.
#[derive(Clone, Debug, PartialEq)]
pub struct LocationSpec {
    /// From -90 in the south to 90.
    pub latitude: PointerBuf,
    /// From -180 in the west to 180.
    pub longitude: PointerBuf,
    /// The event types that are read; empty: all.
    pub types: Vec<Arc<str>>,
    /// Which texts are numbers, too.
    pub numbers: Numbers,
}

/// The spec of a contract that no longer exists.
pub(super) static NO_SPEC: ViewSpec =
    ViewSpec { measures: Vec::new(), status: None, location: None };

impl ViewSpec {
    /// The number that a measure of this name has in an entry, with what it is measured in.
    pub fn number(&self, measure: &str, entry: &Entry) -> Option<(f64, Option<&Arc<str>>)> {
        let payload = Payload(&entry.payload);
        let named = self.measures.iter().filter(|spec| *spec.name == *measure && spec.reads(entry));
        named.filter_map(|spec| Some((spec.find(payload)?, spec.unit.as_ref()))).next()
    }

    /// Latitude and longitude of an entry, in degrees.
    pub fn place(&self, entry: &Entry) -> Option<(f64, f64)> {
        let spec = self.location.as_ref().filter(|spec| spec.reads(&entry.event_type))?;
        spec.find(Payload(&entry.payload))
    }
}

impl MeasureSpec {
    pub(super) fn reads(&self, entry: &Entry) -> bool {
        self.reads_type(&entry.event_type)
            && self.since.is_none_or(|since| since <= entry.ingested_at)
    }

    /// Whether events of a type are read.
    pub fn reads_type(&self, event_type: &str) -> bool {
        is_among(&self.types, event_type)
    }

    /// The number in a payload, in the unit of the measure. A number in a unit that cannot be converted
    /// is none: its record was read by another version of the contract.
    pub(super) fn find(&self, payload: Payload<'_>) -> Option<f64> {
        let number = payload.number(&self.path, self.numbers)?;
        let Some(unit_path) = &self.unit_path else { return Some(number) };
        match payload.find(unit_path) {
            None | Some(Found::Null) => Some(number),
            Some(Found::Text(unit)) => units::converted(number, &unit, self.unit.as_deref()?),
            Some(Found::Number(_) | Found::Other) => None,
        }
    }
}

impl StatusSpec {
    /// Whether events of a type are read.
    pub fn reads(&self, event_type: &str) -> bool {
        is_among(&self.types, event_type)
    }
}

impl LocationSpec {
    /// Whether events of a type are read.
    pub fn reads(&self, event_type: &str) -> bool {
        is_among(&self.types, event_type)
    }
}

/// Whether a type is read; without types, every one is.
fn is_among(types: &[Arc<str>], event_type: &str) -> bool {
    types.is_empty() || types.iter().any(|one| **one == *event_type)
}

/// The specs of every contract that a subject's entries passed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Specs {
    /// The registry revision that these are at least as new as.
    pub revision: u64,
    /// By the name of the contract. A contract that no longer exists has an empty spec.
    pub by_contract: BTreeMap<Arc<str>, Arc<ViewSpec>>,
}

impl Specs {
    /// The names of contracts among `entries` whose spec is not here.
    pub fn missing<'a>(&self, entries: impl IntoIterator<Item = &'a Arc<Entry>>) -> Vec<Arc<str>> {
        let mut names: Vec<Arc<str>> = Vec::new();
        for entry in entries {
            if !self.by_contract.contains_key(&entry.contract) && !names.contains(&entry.contract) {
                names.push(Arc::clone(&entry.contract));
            }
        }
        names
    }
}

/// One entry as the units see it.
pub struct Reading<'a> {
    /// The entry itself.
    pub entry: &'a Entry,
    /// Its payload.
    pub payload: Payload<'a>,
    /// What its contract says about the payload.
    pub spec: &'a ViewSpec,
}

/// One deterministic calculation of a view.
pub trait Unit {
    /// Takes the next entry in order.
    fn apply(&mut self, reading: &Reading<'_>);
}
