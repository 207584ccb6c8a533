//! Checks the values that views will read from a payload, while the record is available. A unit that
//! cannot be converted rejects the record. An unreadable value is counted, so that its absence from views
//! is visible.

use std::sync::Arc;

use jsonptr::Pointer;
use serde_json::Value;

use super::lookup::Path;
use crate::base::error::{Code, Rejection};
use crate::base::limits;
use crate::intake::schema::kind_of;
use crate::view::{LocationSpec, MeasureSpec, Numbers, StatusSpec, ViewSpec, units};

/// The names of status and location, which have no names in a contract.
const STATUS: &str = "status";
const LOCATION: &str = "location";

/// The paths of a [`ViewSpec`] for parsed values.
#[derive(Debug, Default)]
pub(super) struct Values {
    /// The paths of number and unit of each measure.
    measures: Vec<(Path, Option<Path>)>,
    status: Option<Path>,
    location: Option<(Path, Path)>,
}

impl Values {
    pub(super) fn of(spec: &ViewSpec) -> Self {
        let path = |pointer: &jsonptr::PointerBuf| Path::new(pointer.clone());
        let measures = spec.measures.iter();
        let location = spec.location.as_ref();
        Self {
            measures: measures
                .map(|one| (path(&one.path), one.unit_path.as_ref().map(path)))
                .collect(),
            status: spec.status.as_ref().map(|status| path(&status.path)),
            location: location.map(|one| (path(&one.latitude), path(&one.longitude))),
        }
    }

    /// The names of present but unreadable values; null counts as absent. `place` is the pointer to the payload
    /// in the record.
    ///
    /// # Errors
    /// `schema_violation` at the path of a unit that cannot be converted.
    pub(super) fn check(
        &self,
        spec: &ViewSpec,
        event_type: &str,
        payload: &Value,
        place: Option<&Pointer>,
    ) -> Result<Vec<Arc<str>>, Rejection> {
        let mut skipped = Vec::new();
        for (measure, (number, unit)) in spec.measures.iter().zip(&self.measures) {
            if !measure.reads_type(event_type) {
                continue;
            }
            if let Some(unit) = unit {
                check_unit(measure, unit, payload, place)?;
            }
            if number.value_in(payload).is_some_and(|value| of(value, measure.numbers).is_none()) {
                skipped.push(Arc::clone(&measure.name));
            }
        }
        if let (Some(status), Some(path)) = (&spec.status, &self.status)
            && is_unreadable_status(status, path, event_type, payload)
        {
            skipped.push(Arc::from(STATUS));
        }
        if let (Some(location), Some(paths)) = (&spec.location, &self.location)
            && is_unreadable_location(location, paths, event_type, payload)
        {
            skipped.push(Arc::from(LOCATION));
        }
        Ok(skipped)
    }
}

fn check_unit(
    measure: &MeasureSpec,
    path: &Path,
    payload: &Value,
    place: Option<&Pointer>,
) -> Result<(), Rejection> {
    let Some(unit) = &measure.unit else { return Ok(()) };
    let came = match path.value_in(payload) {
        None => return Ok(()),
        Some(Value::String(came)) if units::converted(0.0, came, unit).is_some() => return Ok(()),
        Some(came) => kind_of(came),
    };
    let known = units::convertible(unit).join(", ");
    let message = format!("wanted a unit that is converted to {unit} ({known}), came {came}");
    let at = [place.map_or("", Pointer::as_str), path.pointer().as_str()].concat();
    Err(Rejection::at(Code::SchemaViolation, at, message))
}

fn is_unreadable_status(spec: &StatusSpec, path: &Path, event_type: &str, payload: &Value) -> bool {
    spec.reads(event_type)
        && path.value_in(payload).is_some_and(|value| {
            value.as_str().is_none_or(|text| text.len() > limits::STATUS_BYTES)
        })
}

fn is_unreadable_location(
    spec: &LocationSpec,
    (latitude, longitude): &(Path, Path),
    event_type: &str,
    payload: &Value,
) -> bool {
    if !spec.reads(event_type) {
        return false;
    }
    let degrees = |path: &Path| path.value_in(payload).map(|value| of(value, spec.numbers));
    match (degrees(latitude), degrees(longitude)) {
        (None, None) => false,
        (Some(Some(latitude)), Some(Some(longitude))) => {
            !LocationSpec::is_place(latitude, longitude)
        }
        _ => true,
    }
}

fn of(value: &Value, numbers: Numbers) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => numbers.of_text(text),
        _ => None,
    }
}
