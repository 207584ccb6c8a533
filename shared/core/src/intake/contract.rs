//! A contract turns a record into an event, or gives the reason why the record never becomes one. A
//! contract is data: a [`ContractDocument`], which is compiled once and applied to every record.
//!
//! A contract decides the meaning of a record. [`Policy::guard`](crate::ledger::Policy::guard) decides whether
//! the tenant takes an event of that time, and the ledger whether the subject already has the event.

mod builtin;
mod compile;
mod document;
mod identity;
mod lookup;
mod reading;
mod refusal;
mod sequence;
mod time;
mod values;

#[cfg(test)]
mod builtin_tests;
#[cfg(test)]
mod document_tests;
#[cfg(test)]
mod field_tests;
#[cfg(test)]
mod identity_tests;
#[cfg(test)]
mod refusal_tests;
#[cfg(test)]
pub(crate) mod sample;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

pub use self::builtin::{BUILTINS, builtin, builtin_of_media_type};
pub use self::document::{
    Arrays, Body, ContractDocument, Digits, Fold, IdentityDocument, IgnoreDocument,
    LocationDocument, MeasureDocument, PayloadDocument, SequenceDocument, SourceDocument,
    StatusDocument, SubjectDocument, Syntax, TimeDocument, TimeFormat, TransformDocument,
    VariantDocument, WhenDocument, WithoutTime,
};
pub(crate) use self::lookup::Lookup;
use self::reading::{Common, Reading};
use crate::base::error::{Code, Rejection};
use crate::base::id::Kind;
use crate::base::scope::TenantScope;
use crate::event::{ContractVersion, Event};
use crate::intake::record::{HeaderValue, IdentityText, Parsed, Record};
use crate::intake::transform::Transform;
use crate::view::ViewSpec;

/// A compiled contract.
#[derive(Debug)]
pub struct Contract {
    common: Common,
    media_types: Vec<String>,
    syntax: Syntax,
    arrays: Arrays,
    /// Makes elements of a record. Each element is read like a record of its own.
    transform: Option<Transform>,
    ignored: Vec<Ignored>,
    tenant: Option<Lookup>,
    variants: Vec<Variant>,
    usual: Reading,
}

/// An element that a transform made of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// The number of the element in its record, from 0.
    pub number: u32,
    /// The event, or the reason of the rejection; `None`: the contract ignores the element.
    pub event: Result<Option<Event>, Rejection>,
}

/// How records with this header and value are read.
#[derive(Debug)]
struct Variant {
    header: String,
    equals: String,
    reading: Reading,
}

/// Records that the contract ignores.
#[derive(Debug)]
struct Ignored {
    lookup: Lookup,
    values: Vec<Value>,
}

impl Contract {
    /// The name.
    pub fn name(&self) -> &Arc<str> {
        &self.common.name
    }

    /// The contract as a stored version. Without this call, events get version 0.
    #[must_use]
    pub fn with_version(mut self, number: u32) -> Self {
        self.common.version = number;
        self
    }

    /// Its version, which its events keep.
    pub fn version(&self) -> ContractVersion {
        let Common { name, version, .. } = &self.common;
        ContractVersion { contract: Arc::clone(name), number: *version }
    }

    /// What views read from payloads of this contract.
    pub fn view_spec(&self) -> Arc<ViewSpec> {
        Arc::clone(&self.common.view_spec)
    }

    /// The kinds of its subjects, each once.
    pub fn kinds(&self) -> Vec<Kind> {
        let readings = self.variants.iter().map(|variant| &variant.reading).chain([&self.usual]);
        let kinds: BTreeSet<&Kind> = readings.map(|reading| &reading.kind).collect();
        kinds.into_iter().cloned().collect()
    }

    /// How strictly JSON is read.
    pub fn syntax(&self) -> Syntax {
        self.syntax
    }

    /// How a request whose body is a JSON array is read.
    pub fn arrays(&self) -> Arrays {
        self.arrays
    }

    /// Whether the contract names this media type, in any case and without parameters.
    pub fn names_media_type(&self, media_type: &str) -> bool {
        self.media_types.iter().any(|one| one.eq_ignore_ascii_case(media_type))
    }

    /// Whether the media type of a record decides how the record is read.
    pub fn reads_media_type(&self) -> bool {
        !self.media_types.is_empty()
    }

    /// The headers that the contract reads, except the headers of the media type and the encoding.
    pub fn headers(&self) -> impl Iterator<Item = &str> {
        let readings = self.variants.iter().map(|variant| &variant.reading).chain([&self.usual]);
        let when = self.variants.iter().map(|variant| variant.header.as_str());
        let lookups = self.tenant.iter().chain(self.ignored.iter().map(|ignored| &ignored.lookup));
        readings.flat_map(Reading::lookups).chain(lookups).flat_map(Lookup::headers).chain(when)
    }

    /// Whether the transform reads `$headers`, so that any header may matter.
    pub fn reads_all_headers(&self) -> bool {
        self.transform.as_ref().is_some_and(Transform::reads_headers)
    }

    /// The tenant that a record names at the source of the contract. The name proves nothing.
    pub fn tenant_named<'a>(&'a self, parsed: &'a Parsed<'_>) -> Option<Cow<'a, str>> {
        self.tenant.as_ref()?.find(parsed, parsed.json().ok()?)?.text()
    }

    /// Reads the elements of a record; `None`: the contract has no transform, so each record is one event. If
    /// the source of the record names one element, only that element is returned, if it still exists.
    ///
    /// # Errors
    /// The record as a whole is rejected: `transform_failed`, `too_large`, or a body that is not JSON.
    pub fn elements(
        &self,
        parsed: &Parsed<'_>,
        scope: &TenantScope,
    ) -> Option<Result<Vec<Element>, Rejection>> {
        let transform = self.transform.as_ref()?;
        Some(self.transformed(transform, parsed, scope))
    }

    fn transformed(
        &self,
        transform: &Transform,
        parsed: &Parsed<'_>,
        scope: &TenantScope,
    ) -> Result<Vec<Element>, Rejection> {
        let relaxed = self.relaxed(parsed);
        let relaxed = relaxed.as_ref().map(|record| parsed.respelled(record));
        let parsed = relaxed.as_ref().unwrap_or(parsed);
        parsed.json()?;
        let (record, body) = (parsed.record(), parsed.body().unwrap_or_default());
        let meant = record.source.element();
        let outputs = transform.run(record, body)?;
        // The program returned nothing but an error, so the error rejects the whole record: a corrected
        // program may return several elements.
        if let ([Err(rejection)], None) = (outputs.as_slice(), meant) {
            return Err(rejection.clone());
        }
        // All elements of a record are read alike, so one text identifies it for all of them.
        let identity = IdentityText::new();
        let numbered = (0..).zip(outputs);
        let numbered = numbered.filter(|(number, _)| meant.is_none_or(|meant| meant == *number));
        let read = numbered.map(|(number, element)| Element {
            number,
            event: element
                .and_then(|json| self.read(&parsed.element(number, json, &identity), scope)),
        });
        Ok(read.collect())
    }

    /// Reads a record as an event of the verified tenant; `None`: the contract ignores the record.
    ///
    /// # Errors
    /// The reason why the record never becomes an event.
    pub fn read(
        &self,
        parsed: &Parsed<'_>,
        scope: &TenantScope,
    ) -> Result<Option<Event>, Rejection> {
        match self.relaxed(parsed) {
            Some(record) => self.read_strictly(&parsed.respelled(&record), scope),
            None => self.read_strictly(parsed, scope),
        }
    }

    /// The record without bare words such as `NaN`, if it has any and this contract reads them.
    fn relaxed(&self, parsed: &Parsed<'_>) -> Option<Record> {
        if self.syntax == Syntax::Lenient { parsed.without_bare_words() } else { None }
    }

    fn read_strictly(
        &self,
        parsed: &Parsed<'_>,
        scope: &TenantScope,
    ) -> Result<Option<Event>, Rejection> {
        let reading = self.reading(parsed.record());
        let json = reading.body(parsed)?;
        if self.ignored.iter().any(|ignored| ignored.applies(parsed, json)) {
            return Ok(None);
        }
        self.read_event(reading, parsed, json, scope).map(Some)
    }

    /// Reads the JSON of a record as one event.
    fn read_event(
        &self,
        reading: &Reading,
        parsed: &Parsed<'_>,
        json: &Value,
        scope: &TenantScope,
    ) -> Result<Event, Rejection> {
        reading.check_schema(json)?;
        self.check_tenant(parsed, json, scope)?;
        reading.event(&self.common, parsed, json, scope)
    }

    fn reading(&self, record: &Record) -> &Reading {
        let is_named = |media_type: &str| self.names_media_type(media_type);
        if self.variants.is_empty() || record.media_type().is_some_and(is_named) {
            return &self.usual;
        }
        let applies = |variant: &&Variant| {
            record.header(&variant.header) == Some(HeaderValue::Text(&variant.equals))
        };
        self.variants.iter().find(applies).map_or(&self.usual, |variant| &variant.reading)
    }

    fn check_tenant(
        &self,
        parsed: &Parsed<'_>,
        json: &Value,
        scope: &TenantScope,
    ) -> Result<(), Rejection> {
        let named = self.tenant.as_ref().and_then(|tenant| tenant.find(parsed, json));
        match named {
            Some(named) if named.text().as_deref() != Some(scope.tenant().as_str()) => {
                let (verified, came) = (scope.tenant(), named.kind());
                let message = format!("wanted the verified tenant `{verified}`, came {came}");
                Err(named.rejection(Code::TenantMismatch, message))
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl Ignored {
    fn applies(&self, parsed: &Parsed<'_>, json: &Value) -> bool {
        let found = self.lookup.find(parsed, json);
        found.is_some_and(|found| self.values.iter().any(|value| found.is(value)))
    }
}
