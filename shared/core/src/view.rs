//! A view is the fold of a subject's entries, in order, by the units. Each unit is one
//! deterministic calculation in a file of its own; none reads a clock, and none sees arrival
//! order, so one history gives one view, byte for byte.
//!
//! What a unit reads from a payload is said by the contract that the entry passed ([`ViewSpec`]);
//! paths are relative to the payload, because the payload is all that history keeps. Alert rules
//! are a later unit.
//!
//! Size: a view never passes [`limits::VIEW_BYTES`]. Each unit has a largest size, and together
//! they leave room for [`limits::LATEST_FREE_BYTES`] of payloads in `latest`, which the build
//! checks. More payloads stay as long as the view fits; when it does not, those observed longest
//! ago give way (their positions stay) until it does. They give way, and not a statistic, because
//! history still has them.
//!
//! A payload that is no JSON says nothing to any unit, and the entry still counts.

mod encoded;
pub mod latest;
pub mod lessons;
pub mod measures;
mod payload;
mod shown;
pub mod status;
pub mod travel;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod sample;

use std::collections::BTreeMap;
use std::sync::Arc;

use jsonptr::PointerBuf;
use serde::{Deserialize, Serialize};

use self::encoded::{VARINT, encoded_size, text};
use self::latest::Latest;
use self::lessons::Lessons;
use self::measures::Measures;
pub use self::payload::Payload;
use self::status::Status;
use self::travel::Travel;
use crate::base::limits;
use crate::base::time::Timestamp;
use crate::event::Entry;

/// What the units read from the payloads of one contract.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ViewSpec {
    /// Numbers whose statistics are kept.
    pub measures: Vec<MeasureSpec>,
    /// Where the status is.
    pub status: Option<PointerBuf>,
    /// Where the location is.
    pub location: Option<LocationSpec>,
}

/// A number in the payload whose statistics are kept.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasureSpec {
    /// Its name in the view, at most [`limits::MEASURE_NAME_BYTES`].
    pub name: Arc<str>,
    /// The event types that are read; empty: all.
    pub types: Vec<Arc<str>>,
    /// Where the number is.
    pub path: PointerBuf,
    /// What it is measured in, at most [`limits::UNIT_BYTES`].
    pub unit: Option<Arc<str>>,
    /// Entries ingested from here on are read; `None`: all. A measure that is added to a
    /// contract later must not depend on which pages happened to be folded again.
    pub since: Option<Timestamp>,
}

/// Where a payload has its location, in degrees.
#[derive(Clone, Debug, PartialEq)]
pub struct LocationSpec {
    /// From -90 in the south to 90.
    pub latitude: PointerBuf,
    /// From -180 in the west to 180.
    pub longitude: PointerBuf,
}

/// The spec of a contract that no longer exists.
static NO_SPEC: ViewSpec = ViewSpec { measures: Vec::new(), status: None, location: None };

impl ViewSpec {
    /// The number that a measure of this name has in an entry, with what it is measured in.
    pub fn number(&self, measure: &str, entry: &Entry) -> Option<(f64, Option<&Arc<str>>)> {
        let payload = Payload(&entry.payload);
        let named = self.measures.iter().filter(|spec| *spec.name == *measure && spec.reads(entry));
        named.filter_map(|spec| Some((payload.number(&spec.path)?, spec.unit.as_ref()))).next()
    }

    /// Latitude and longitude in a payload, in degrees.
    pub fn place(&self, payload: Payload<'_>) -> Option<(f64, f64)> {
        self.location.as_ref()?.find(payload)
    }
}

impl MeasureSpec {
    fn reads(&self, entry: &Entry) -> bool {
        (self.types.is_empty() || self.types.contains(&entry.event_type))
            && self.since.is_none_or(|since| since <= entry.ingested_at)
    }
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

/// The state of a subject after some of its history.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// Entries folded so far.
    pub event_count: u64,
    /// When the first of them was observed.
    pub first_observed_at: Option<Timestamp>,
    /// When the last of them was observed.
    pub last_observed_at: Option<Timestamp>,
    /// The newest entry of each type.
    pub latest: Latest,
    /// Statistics of numbers.
    pub measures: Measures,
    /// The current status and its history in seconds.
    pub status: Status,
    /// The last location and the way there.
    pub travel: Travel,
    /// What a learner did.
    pub lessons: Lessons,
}

const _: () = assert!(
    View::LARGEST_WITHOUT_PAYLOADS + limits::LATEST_FREE_BYTES <= limits::VIEW_BYTES,
    "the units together must leave room for the free payloads"
);

impl View {
    const LARGEST_WITHOUT_PAYLOADS: usize = VARINT
        + 2 * (1 + VARINT)
        + Latest::LARGEST
        + Measures::LARGEST
        + Status::LARGEST
        + Travel::LARGEST
        + Lessons::LARGEST;

    /// Folds the next entry in. An entry of a contract without a spec still counts.
    pub fn apply(&mut self, entry: &Entry, specs: &Specs) {
        self.event_count += 1;
        self.first_observed_at.get_or_insert(entry.position.observed_at);
        self.last_observed_at = Some(entry.position.observed_at);

        let spec = specs.by_contract.get(&entry.contract).map_or(&NO_SPEC, |spec| spec);
        let reading = Reading { entry, payload: Payload(&entry.payload), spec };
        self.latest.apply(&reading);
        self.measures.apply(&reading);
        self.status.apply(&reading);
        self.travel.apply(&reading);
        self.lessons.apply(&reading);
        self.make_room();
    }

    fn make_room(&mut self) {
        while self.latest.payload_bytes() > limits::LATEST_FREE_BYTES
            && encoded_size(self) > limits::VIEW_BYTES
        {
            self.latest.drop_oldest_payload();
        }
    }
}

/// The view after `entries`, which come next after `view`.
pub fn fold<'a>(
    mut view: View,
    entries: impl IntoIterator<Item = &'a Arc<Entry>>,
    specs: &Specs,
) -> View {
    for entry in entries {
        view.apply(entry, specs);
    }
    view
}
