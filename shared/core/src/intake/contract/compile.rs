//! Compiles a document to a contract. All faults of a document are reported together.

mod names;
mod view;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use self::names::{check_media_types, check_name};
use self::view::view_spec;
use super::document::always_given;
use super::document::{
    Body, ContractDocument, Digits, IgnoreDocument, PayloadDocument, SequenceDocument,
    SourceDocument, TransformDocument, VariantDocument,
};
use super::identity::{Identity, left_out};
use super::lookup::Lookup;
use super::reading::{BAD_TYPE, Common, Reading, is_type};
use super::sequence::Sequence;
use super::time::TimeSource;
use super::values::Values;
use super::{Contract, Ignored, Variant};
use crate::base::id::Kind;
use crate::base::limits;
use crate::event::Except;
use crate::intake::fault::{Fault, Faults, too_many};
use crate::intake::schema::Schema;
use crate::intake::transform::Transform;
use crate::view::ViewSpec;

impl Contract {
    /// Compiles a document.
    ///
    /// # Errors
    /// Every fault, with its path in the document.
    pub fn compile(document: &ContractDocument) -> Result<Self, Vec<Fault>> {
        let mut faults = Faults::default();
        check_name(&document.name, "/name", &mut faults);
        check_media_types(&document.media_types, &mut faults);
        let transform = transform(document.transform.as_ref(), &mut faults);
        let ignored = ignored(&document.ignore, &mut faults);
        let tenant = optional(document.tenant.as_ref(), "/tenant", &mut faults);
        let usual = reading(document, Body::Json, "", &mut faults);
        let view_spec = view_spec(document, &mut faults);
        // A variant inherits the fields of the contract, and would repeat their faults.
        let usual = faults.or(usual)?;
        let mut faults = Faults::default();
        let variants = variants(document, &mut faults);
        faults.or(Some(Self {
            common: Common {
                name: Arc::from(document.name.as_str()),
                version: 0,
                types: types(&usual, &variants, &view_spec),
                values: Values::of(&view_spec),
                view_spec: Arc::new(view_spec),
            },
            media_types: document.media_types.clone(),
            syntax: document.syntax,
            arrays: document.array,
            transform,
            ignored,
            tenant,
            usual,
            variants,
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

fn reading(
    document: &ContractDocument,
    body: Body,
    path: &str,
    faults: &mut Faults,
) -> Option<Reading> {
    let at = |field: &str| format!("{path}/{field}");
    let kind_path = at("subject/kind");
    let kind = Kind::parse(&document.subject.kind).map_err(|rejection| rejection.message);
    let kind = faults.take(&kind_path, kind);
    let subject = Lookup::compile(&document.subject.id, &at("subject/id"), faults);
    let event_type = Lookup::compile(&document.event_type, &at("type"), faults);
    check_type(event_type.as_ref(), &at("type/const"), faults);
    let payload = payload(&document.payload, &at("payload"), faults);
    let event_id = optional(document.event_id.as_ref(), &at("event_id"), faults);
    let identity = Identity::compile(document, &at("identity"), faults);
    let sequence = document.sequence.as_ref();
    let sequence = sequence.and_then(|source| sequenced(source, &at("sequence"), faults));
    let observed_at = document.observed_at.as_ref();
    let observed_at =
        observed_at.and_then(|time| TimeSource::compile(time, &at("observed_at"), faults));
    let schema = schema(document.schema.as_ref(), &at("schema"), faults);
    let (payload, except) = payload?;
    Some(Reading {
        body,
        kind: kind?,
        subject: subject?,
        fold: document.subject.fold,
        event_id,
        identity: identity?,
        sequence,
        event_type: event_type?,
        observed_at,
        without_time: document.without_time,
        payload,
        except,
        schema,
    })
}

fn transform(document: Option<&TransformDocument>, faults: &mut Faults) -> Option<Transform> {
    match Transform::compile(&document?.program()) {
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

fn sequenced(document: &SequenceDocument, path: &str, faults: &mut Faults) -> Option<Sequence> {
    if !document.offset {
        let lookup = Lookup::compile(&document.source, path, faults)?;
        return Some(Sequence::Source(lookup, document.digits));
    }
    let SequenceDocument { source, digits, offset: _ } = document;
    if *source != SourceDocument::default() || *digits != Digits::default() {
        faults.add(path, "offset stands alone: the other members would never be read");
        return None;
    }
    Some(Sequence::Offset)
}

/// The source must give JSON, because history keeps JSON; headers, key and topic are texts.
fn payload(
    document: &PayloadDocument,
    path: &str,
    faults: &mut Faults,
) -> Option<(Lookup, Except)> {
    let is_text = |one: &SourceDocument| one.header.is_some() || one.key || one.topic;
    if is_text(&document.source) || document.source.first.iter().any(is_text) {
        faults.add(path, "a payload is JSON: name a path, not a header, the key or the topic");
    }
    let except = left_out(&document.except, &format!("{path}/except"), faults);
    let lookup = Lookup::compile(&document.source, path, faults);
    Some((lookup?, except?))
}

fn ignored(documents: &[IgnoreDocument], faults: &mut Faults) -> Vec<Ignored> {
    if documents.len() > limits::IGNORE_RULES {
        faults.add("/ignore", too_many("rules", documents.len(), limits::IGNORE_RULES));
        return Vec::new();
    }
    let rules = documents.iter().enumerate().filter_map(|(index, document)| {
        let path = format!("/ignore/{index}");
        if always_given(Some(&document.source)) {
            faults.add(path, "a const or a default is the same in every record: name a path, a header, the key or the topic");
            return None;
        }
        let lookup = Lookup::compile(&document.source, &path, faults)?;
        Some(Ignored { lookup, values: document.values.clone() })
    });
    rules.collect()
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

fn check_type(lookup: Option<&Lookup>, path: &str, faults: &mut Faults) {
    let constant = lookup.and_then(Lookup::constant);
    if constant.is_some_and(|value| !value.as_str().is_some_and(is_type)) {
        faults.add(path, BAD_TYPE);
    }
}

fn variants(document: &ContractDocument, faults: &mut Faults) -> Vec<Variant> {
    if document.variants.len() > limits::VARIANTS {
        faults.add("/variants", too_many("variants", document.variants.len(), limits::VARIANTS));
        return Vec::new();
    }
    let compiled = |(index, variant): (usize, &VariantDocument)| {
        let path = format!("/variants/{index}");
        let reading = reading(&document.overlaid(variant), variant.body, &path, faults)?;
        let VariantDocument { when, .. } = variant;
        Some(Variant { header: when.header.clone(), equals: when.equals.clone(), reading })
    };
    document.variants.iter().enumerate().filter_map(compiled).collect()
}
