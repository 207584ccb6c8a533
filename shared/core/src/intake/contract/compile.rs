//! From the document to the contract: every fault is found before the document is refused.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::document::{
    ContractDocument, LocationDocument, MeasureDocument, SourceDocument, TimeDocument, TimeFormat,
};
use super::identity::Identity;
use super::lookup::{Lookup, compiled_pointer};
use super::{Contract, Reading, Variant, is_type};
use crate::base::id::Kind;
use crate::base::limits;
use crate::intake::fault::{Fault, Faults};
use crate::intake::schema::Schema;
use crate::intake::transform::Transform;
use crate::view::{LocationSpec, MeasureSpec, ViewSpec};

impl Contract {
    /// Compiles a document.
    ///
    /// # Errors
    /// Every fault, with its path in the document.
    pub fn compile(document: &ContractDocument) -> Result<Self, Vec<Fault>> {
        let mut faults = Faults::default();
        check_name(&document.name, "/name", &mut faults);
        let transform = transform(document.transform.as_deref(), &mut faults);
        let tenant = optional(document.tenant.as_ref(), "/tenant", &mut faults);
        let usual = reading(document, "", &mut faults);
        let view_spec = view_spec(document, &mut faults);
        // A variant repeats what it does not name, and its faults with it.
        let usual = faults.or(usual)?;
        let mut faults = Faults::default();
        let variants = variants(document, &mut faults);
        faults.or(Some(Self {
            name: Arc::from(document.name.as_str()),
            transform,
            tenant,
            types: types(&usual, &variants, &view_spec),
            usual,
            variants,
            view_spec: Arc::new(view_spec),
        }))
    }
}

/// Every type that the document names.
fn types(usual: &Reading, variants: &[Variant], view_spec: &ViewSpec) -> BTreeSet<Arc<str>> {
    let readings = variants.iter().map(|variant| &variant.reading).chain([usual]);
    let constant = readings.filter_map(|reading| reading.event_type.constant()?.as_str());
    let measured = view_spec.measures.iter().flat_map(|measure| &measure.types).cloned();
    measured.chain(constant.map(Arc::from)).collect()
}

fn reading(document: &ContractDocument, path: &str, faults: &mut Faults) -> Option<Reading> {
    let at = |field: &str| format!("{path}/{field}");
    let kind_path = at("subject/kind");
    let kind = Kind::parse(&document.subject.kind).map_err(|rejection| rejection.message);
    let kind = faults.take(&kind_path, kind);
    let subject = Lookup::compile(&document.subject.id, &at("subject/id"), faults);
    let event_type = Lookup::compile(&document.event_type, &at("type"), faults);
    check_type(event_type.as_ref(), &at("type/const"), faults);
    let payload = Lookup::compile(&document.payload, &at("payload"), faults);
    check_payload(&document.payload, &at("payload"), faults);
    let event_id = optional(document.event_id.as_ref(), &at("event_id"), faults);
    let identity = Identity::compile(document, &at("identity"), faults);
    let observed_at = time(document.observed_at.as_ref(), &at("observed_at"), faults);
    let schema = schema(document.schema.as_ref(), &at("schema"), faults);
    Some(Reading {
        kind: kind?,
        subject: subject?,
        event_id,
        identity: identity?,
        event_type: event_type?,
        observed_at,
        without_time: document.without_time,
        payload: payload?,
        schema,
    })
}

fn transform(code: Option<&str>, faults: &mut Faults) -> Option<Transform> {
    match Transform::compile(code?) {
        Ok(transform) => Some(transform),
        Err(found) => {
            found.into_iter().for_each(|fault| faults.add("/transform", fault));
            None
        }
    }
}

fn optional(source: Option<&SourceDocument>, path: &str, faults: &mut Faults) -> Option<Lookup> {
    source.and_then(|source| Lookup::compile(source, path, faults))
}

fn time(
    time: Option<&TimeDocument>,
    path: &str,
    faults: &mut Faults,
) -> Option<(Lookup, TimeFormat)> {
    let time = time?;
    let source = SourceDocument {
        path: time.path.clone(),
        header: time.header.clone(),
        first: time.first.clone(),
        ..SourceDocument::default()
    };
    Lookup::compile(&source, path, faults).map(|lookup| (lookup, time.format))
}

fn schema(schema: Option<&Value>, path: &str, faults: &mut Faults) -> Option<Schema> {
    match Schema::compile(schema?) {
        Ok(schema) => Some(schema),
        Err(fault) => {
            faults.add(format!("{path}{}", fault.path), fault.message);
            None
        }
    }
}

fn check_name(name: &str, path: &str, faults: &mut Faults) {
    // A kind has the alphabet that every name of ours has.
    if Kind::parse(name).is_err() {
        faults.add(path, "a name is 1 to 64 of a-z, 0-9, _ and -");
    }
}

fn check_type(lookup: Option<&Lookup>, path: &str, faults: &mut Faults) {
    let constant = lookup.and_then(Lookup::constant);
    if constant.is_some_and(|value| !value.as_str().is_some_and(is_type)) {
        faults.add(path, "an event type is a text of 1 to 128 bytes");
    }
}

/// A header is text and history keeps JSON.
fn check_payload(source: &SourceDocument, path: &str, faults: &mut Faults) {
    if source.header.is_some() || source.first.iter().any(|one| one.header.is_some()) {
        faults.add(path, "the payload comes from a path");
    }
}

fn variants(document: &ContractDocument, faults: &mut Faults) -> Vec<Variant> {
    if document.variants.len() > limits::VARIANTS {
        faults.add("/variants", format!("too many variants: limit=`{}`", limits::VARIANTS));
        return Vec::new();
    }
    let variants = document.variants.iter().enumerate().filter_map(|(index, variant)| {
        let path = format!("/variants/{index}");
        Some(Variant {
            header: variant.when.header.clone(),
            equals: variant.when.equals.clone(),
            reading: reading(&document.overlaid(variant), &path, faults)?,
        })
    });
    variants.collect()
}

fn view_spec(document: &ContractDocument, faults: &mut Faults) -> ViewSpec {
    let measures = measures(&document.measures, faults);
    let status = document.status.as_ref();
    let status = status.and_then(|status| compiled_pointer(&status.path, "/status/path", faults));
    let location = document.location.as_ref();
    let location = location.and_then(|location| location_spec(location, faults));
    ViewSpec { measures, status, location }
}

fn location_spec(location: &LocationDocument, faults: &mut Faults) -> Option<LocationSpec> {
    let latitude = compiled_pointer(&location.latitude, "/location/latitude", faults);
    let longitude = compiled_pointer(&location.longitude, "/location/longitude", faults);
    Some(LocationSpec { latitude: latitude?, longitude: longitude? })
}

fn measures(documents: &[MeasureDocument], faults: &mut Faults) -> Vec<MeasureSpec> {
    if documents.len() > limits::MEASURES {
        faults.add("/measures", format!("too many measures: limit=`{}`", limits::MEASURES));
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
    for (index, event_type) in document.types.iter().enumerate() {
        if !is_type(event_type) {
            faults
                .add(format!("{path}/types/{index}"), "an event type is a text of 1 to 128 bytes");
        }
    }
    let unit = document.unit.as_deref();
    if unit.is_some_and(|unit| unit.is_empty() || unit.len() > limits::UNIT_BYTES) {
        let message = format!("a unit is a text of 1 to {} bytes", limits::UNIT_BYTES);
        faults.add(format!("{path}/unit"), message);
    }
    let pointer = compiled_pointer(&document.path, &format!("{path}/path"), faults);
    Some(MeasureSpec {
        name: Arc::from(document.name.as_str()),
        types: document.types.iter().map(|event_type| Arc::from(event_type.as_str())).collect(),
        path: pointer?,
        unit: unit.map(Arc::from),
        since: document.since,
    })
}
