//! The specifications by which the units of a view read payloads, for each version of a contract; and the trait of a unit.

use std::sync::Arc;

use jsonptr::PointerBuf;

use super::numbers::Numbers;
use super::payload::{Found, Payload};
use super::units;
use crate::event::Entry;

/// The paths that the units read in the payloads of one contract.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ViewSpec {
    /// The measures.
    pub measures: Vec<MeasureSpec>,
    /// The path of the status.
    pub status: Option<StatusSpec>,
    /// The paths of the location.
    pub location: Option<LocationSpec>,
}

/// A number in the payload to aggregate.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasureSpec {
    /// The name in the view, at most [`MEASURE_NAME_BYTES`](crate::base::limits::MEASURE_NAME_BYTES).
    pub name: Arc<str>,
    /// The event types to read; empty: all types.
    pub types: Vec<Arc<str>>,
    /// The path of the number.
    pub path: PointerBuf,
    /// The unit, at most [`UNIT_BYTES`](crate::base::limits::UNIT_BYTES).
    pub unit: Option<Arc<str>>,
    /// The path of the unit of the number.
    pub unit_path: Option<PointerBuf>,
    /// Which texts are numbers, too.
    pub numbers: Numbers,
}

/// The status in a payload.
#[derive(Clone, Debug, PartialEq)]
pub struct StatusSpec {
    /// The path of the status.
    pub path: PointerBuf,
    /// The event types that are read; empty: all.
    pub types: Vec<Arc<str>>,
}

/// The paths of a location in a payload, in degrees.
#[derive(Clone, Debug, PartialEq)]
pub struct LocationSpec {
    /// The latitude, from -90 (south) to 90.
    pub latitude: PointerBuf,
    /// The longitude, from -180 (west) to 180.
    pub longitude: PointerBuf,
    /// The event types that are read; empty: all.
    pub types: Vec<Arc<str>>,
    /// Which texts are numbers, too.
    pub numbers: Numbers,
}

/// The spec of an entry whose contract version is unknown.
pub(super) static NO_SPEC: ViewSpec =
    ViewSpec { measures: Vec::new(), status: None, location: None };

impl ViewSpec {
    /// The number of a measure in an entry, with its unit.
    pub fn number(&self, measure: &str, entry: &Entry) -> Option<(f64, Option<&Arc<str>>)> {
        let payload = Payload(&entry.payload);
        let named = self.measures.iter().filter(|spec| *spec.name == *measure && spec.reads(entry));
        named.filter_map(|spec| Some((spec.find(payload)?, spec.unit.as_ref()))).next()
    }

    /// The unit of a measure.
    pub fn unit_of(&self, measure: &str) -> Option<&str> {
        let spec = self.measures.iter().find(|spec| *spec.name == *measure);
        spec.and_then(|spec| spec.unit.as_deref())
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
    }

    /// Whether events of a type are read.
    pub fn reads_type(&self, event_type: &str) -> bool {
        is_among(&self.types, event_type)
    }

    /// The number in a payload, in the unit of the measure. `None`: there is no number, or its unit cannot be
    /// converted, because another version of the contract accepted the record.
    pub(super) fn find(&self, payload: Payload<'_>) -> Option<f64> {
        let Some(unit_path) = &self.unit_path else {
            return payload.number(&self.path, self.numbers);
        };
        let (number, unit) = payload.find_both(&self.path, unit_path);
        let number = number?.number(self.numbers)?;
        match unit {
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

/// Whether a type is read. An empty list means every type.
fn is_among(types: &[Arc<str>], event_type: &str) -> bool {
    types.is_empty() || types.iter().any(|one| **one == *event_type)
}

/// One entry for the units.
pub struct Reading<'a> {
    /// The entry itself.
    pub entry: &'a Entry,
    /// The entry's payload.
    pub payload: Payload<'a>,
    /// The spec of the entry's contract.
    pub spec: &'a ViewSpec,
}

/// One deterministic calculation of a view.
pub trait Unit {
    /// Folds the next entry, in order.
    fn apply(&mut self, reading: &Reading<'_>);
}
