//! Compiles the values that views read.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::document::{ContractDocument, LocationDocument, MeasureDocument, StatusDocument};
use super::super::lookup::compiled_pointer;
use super::super::reading::{BAD_TYPE, is_type};
use super::names::check_name;
use crate::base::limits;
use crate::intake::fault::{Faults, too_many};
use crate::view::{LocationSpec, MeasureSpec, Numbers, StatusSpec, ViewSpec};

pub(super) fn view_spec(document: &ContractDocument, faults: &mut Faults) -> ViewSpec {
    let measures = measures(&document.measures, faults);
    let status = document.status.as_ref().and_then(|status| status_spec(status, faults));
    let location = document.location.as_ref();
    let location = location.and_then(|location| location_spec(location, faults));
    ViewSpec { measures, status, location }
}

fn status_spec(status: &StatusDocument, faults: &mut Faults) -> Option<StatusSpec> {
    let types = types(&status.types, "/status", faults);
    let path = compiled_pointer(&status.path, "/status/path", faults)?;
    Some(StatusSpec { path, types })
}

fn location_spec(location: &LocationDocument, faults: &mut Faults) -> Option<LocationSpec> {
    let types = types(&location.types, "/location", faults);
    let latitude = compiled_pointer(&location.latitude, "/location/latitude", faults);
    let longitude = compiled_pointer(&location.longitude, "/location/longitude", faults);
    let numbers = numbers(location.text);
    Some(LocationSpec { latitude: latitude?, longitude: longitude?, types, numbers })
}

fn measures(documents: &[MeasureDocument], faults: &mut Faults) -> Vec<MeasureSpec> {
    if documents.len() > limits::MEASURES {
        faults.add("/measures", too_many("measures", documents.len(), limits::MEASURES));
        return Vec::new();
    }
    let mut names = BTreeSet::new();
    let measures = documents.iter().enumerate().filter_map(|(index, document)| {
        let path = format!("/measures/{index}");
        if !names.insert(&document.name) {
            faults.add(format!("{path}/name"), "two measures have this name");
        }
        measure(document, &path, faults)
    });
    measures.collect()
}

fn measure(document: &MeasureDocument, path: &str, faults: &mut Faults) -> Option<MeasureSpec> {
    check_name(&document.name, &format!("{path}/name"), faults);
    let types = types(&document.types, path, faults);
    let unit = document.unit.as_deref();
    if unit.is_some_and(|unit| unit.is_empty() || unit.len() > limits::UNIT_BYTES) {
        let (limit, came) = (limits::UNIT_BYTES, unit.map_or(0, str::len));
        let message = format!("a unit is a text of 1 to {limit} bytes, this has {came}");
        faults.add(format!("{path}/unit"), message);
    }
    let pointer = compiled_pointer(&document.path, &format!("{path}/path"), faults);
    let unit_path = document.unit_path.as_ref().and_then(|unit_path| {
        let path = format!("{path}/unit_path");
        if unit.is_none() {
            faults.add(&path, "unit is missing: it names the unit that readings are converted to");
        }
        compiled_pointer(unit_path, &path, faults)
    });
    Some(MeasureSpec {
        name: Arc::from(document.name.as_str()),
        types,
        path: pointer?,
        unit: unit.map(Arc::from),
        unit_path,
        numbers: numbers(document.text),
    })
}

fn types(types: &[String], path: &str, faults: &mut Faults) -> Vec<Arc<str>> {
    for (index, event_type) in types.iter().enumerate() {
        if !is_type(event_type) {
            let path = format!("{path}/types/{index}");
            faults.add(path, BAD_TYPE);
        }
    }
    types.iter().map(|event_type| Arc::from(event_type.as_str())).collect()
}

const fn numbers(text: bool) -> Numbers {
    if text { Numbers::Text } else { Numbers::Json }
}
