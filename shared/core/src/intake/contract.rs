//! A contract turns a record into an event, or says why it never will. It is data: a
//! [`ContractDocument`], compiled once, read for every record.
//!
//! A contract decides what a record says. Whether the tenant takes an event of that time is
//! [`Policy::guard`](crate::ledger::Policy::guard)'s to decide, and whether its subject has it already, the
//! ledger's.

mod builtin;
mod compile;
mod document;
mod identity;
mod lookup;
mod time;

#[cfg(test)]
mod builtin_tests;
#[cfg(test)]
mod document_tests;
#[cfg(test)]
mod identity_tests;
#[cfg(test)]
pub(crate) mod sample;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

pub use self::builtin::{BUILTINS, builtin};
pub use self::document::{
    ContractDocument, IdentityDocument, LocationDocument, MeasureDocument, SourceDocument,
    StatusDocument, SubjectDocument, TimeDocument, TimeFormat, VariantDocument, WhenDocument,
    WithoutTime,
};
use self::identity::{Identity, Read};
pub(crate) use self::lookup::Lookup;
use crate::base::error::{Code, Rejection};
use crate::base::id::{EventId, Kind, Position, SubjectId};
use crate::base::limits;
use crate::base::scope::TenantScope;
use crate::base::time::Timestamp;
use crate::event::{self, Entry, Event, IdOrigin};
use crate::intake::record::{HeaderValue, Parsed, Record};
use crate::intake::schema::Schema;
use crate::view::ViewSpec;

/// A compiled contract.
#[derive(Debug)]
pub struct Contract {
    name: Arc<str>,
    tenant: Option<Lookup>,
    variants: Vec<Variant>,
    usual: Reading,
    /// The types that the document names: events of one share its text, of which there is a copy
    /// with every other event.
    types: BTreeSet<Arc<str>>,
    view_spec: Arc<ViewSpec>,
}

/// How records with a certain header are read.
#[derive(Debug)]
struct Variant {
    header: String,
    equals: String,
    reading: Reading,
}

/// How a record is read.
#[derive(Debug)]
struct Reading {
    kind: Kind,
    subject: Lookup,
    event_id: Option<Lookup>,
    /// Of a record without an event id.
    identity: Identity,
    event_type: Lookup,
    observed_at: Option<(Lookup, TimeFormat)>,
    without_time: WithoutTime,
    payload: Lookup,
    schema: Option<Schema>,
}

/// Why the time of receipt does not stand in for that of observation.
const NO_RECEIPT: &str =
    ", and the timestamp of its Kafka record is missing or cannot be when it was received";

/// When something was observed, and whether the record says so itself.
#[derive(Clone, Copy)]
enum Observed {
    Own(Timestamp),
    Received(Timestamp),
}

impl Contract {
    /// What it is called.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What the units of a view read from its payloads.
    pub fn view_spec(&self) -> Arc<ViewSpec> {
        Arc::clone(&self.view_spec)
    }

    /// The tenant that a record names, by the contract's own source. It proves nothing.
    pub fn tenant_named<'a>(&'a self, parsed: &'a Parsed<'_>) -> Option<Cow<'a, str>> {
        self.tenant.as_ref()?.find(parsed.record(), parsed.json().ok()?)?.text()
    }

    /// Reads a record as an event of the tenant that somebody vouched for.
    ///
    /// # Errors
    /// Why the record will never be one.
    pub fn read(&self, parsed: &Parsed<'_>, scope: &TenantScope) -> Result<Event, Rejection> {
        let json = parsed.record_json()?;
        let record = parsed.record();
        let reading = self.reading(record);
        reading.check_schema(json)?;
        self.check_tenant(record, json, scope)?;
        let subject = reading.subject(record, json)?;
        let event_type = self.shared_type(reading.event_type(record, json)?);
        let payload = reading.payload(parsed, json)?;
        let observed = reading.observed_at(record, json)?;
        let (event_id, id_origin) = match reading.given_id(record, json)? {
            Some(id) => (id, IdOrigin::Given),
            None => {
                let read = Read { contract: &self.name, parsed, json };
                reading.derived_id(read, observed, &payload)?
            }
        };
        let position = Position { observed_at: observed.at(), sequence: 0, event_id };
        let entry = Entry {
            position,
            id_origin,
            event_type,
            contract: Arc::clone(&self.name),
            contract_version: 0,
            ingested_at: record.ingested_at,
            payload,
        };
        Ok(Event { subject: scope.subject(subject), entry: Arc::new(entry) })
    }

    fn reading(&self, record: &Record) -> &Reading {
        let applies = |variant: &&Variant| {
            record.header(&variant.header) == Some(HeaderValue::Text(&variant.equals))
        };
        self.variants.iter().find(applies).map_or(&self.usual, |variant| &variant.reading)
    }

    fn shared_type(&self, text: Cow<'_, str>) -> Arc<str> {
        self.types.get(&*text).map_or_else(|| Arc::from(text), Arc::clone)
    }

    fn check_tenant(
        &self,
        record: &Record,
        json: &Value,
        scope: &TenantScope,
    ) -> Result<(), Rejection> {
        let named = self.tenant.as_ref().and_then(|tenant| tenant.find(record, json));
        match named {
            Some(named) if named.text().as_deref() != Some(scope.tenant().as_str()) => {
                let message = "the record names another tenant than the verified one";
                Err(named.rejection(Code::TenantMismatch, message))
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl Reading {
    fn check_schema(&self, json: &Value) -> Result<(), Rejection> {
        match self.schema.as_ref().and_then(|schema| schema.first_fault(json)) {
            None => Ok(()),
            Some(fault) => {
                let path = bounded(fault.path);
                Err(Rejection::at(Code::SchemaViolation, path, fault.message))
            }
        }
    }

    fn subject(&self, record: &Record, json: &Value) -> Result<SubjectId, Rejection> {
        let found = self.subject.find(record, json);
        let found = found.ok_or_else(|| self.subject.missing("the subject's id"))?;
        let Some(text) = found.text() else {
            return Err(found.rejection(Code::InvalidId, "subject id is not a text"));
        };
        SubjectId::new(self.kind.clone(), &text).map_err(|rejection| found.located(rejection))
    }

    fn event_type<'a>(
        &'a self,
        record: &'a Record,
        json: &'a Value,
    ) -> Result<Cow<'a, str>, Rejection> {
        let found = self.event_type.find(record, json);
        let found = found.ok_or_else(|| self.event_type.missing("the event type"))?;
        match found.text() {
            Some(text) if is_type(&text) => Ok(text),
            Some(_) | None => {
                let limit = event::TYPE_LIMIT;
                let message = format!("event type is not a text of 1 to {limit} bytes");
                Err(found.rejection(Code::SchemaViolation, message))
            }
        }
    }

    /// Canonical text can be longer than what was sent (`1e20` has 21 digits), so it has its own
    /// check.
    fn payload(&self, parsed: &Parsed<'_>, json: &Value) -> Result<Arc<str>, Rejection> {
        let found = self.payload.find_json(parsed.record(), json);
        let (found, place) = found.ok_or_else(|| self.payload.missing("the payload"))?;
        let payload: Arc<str> =
            parsed.with_canonical(found, place, None, |text| Arc::from(text))?;
        if payload.len() <= limits::RECORD_BYTES {
            return Ok(payload);
        }
        let limit = limits::RECORD_BYTES;
        let message = format!(
            "the payload is too large: canonical bytes=`{}` limit=`{limit}`",
            payload.len()
        );
        Err(Rejection::new(Code::TooLarge, message))
    }

    fn observed_at(&self, record: &Record, json: &Value) -> Result<Observed, Rejection> {
        let Some((lookup, format)) = &self.observed_at else {
            return self.received(record, || {
                Rejection::new(Code::MissingField, "records of this contract have no time")
            });
        };
        let Some(found) = lookup.find(record, json) else {
            return self.received(record, || lookup.missing("the time of observation"));
        };
        format.read(found.value).map(Observed::Own).ok_or_else(|| {
            let message = "this names no instant, or has no offset from UTC";
            found.rejection(Code::InvalidTimestamp, message)
        })
    }

    fn received(
        &self,
        record: &Record,
        missing: impl FnOnce() -> Rejection,
    ) -> Result<Observed, Rejection> {
        match (self.without_time, record.received_at) {
            (WithoutTime::Received, Some(received)) => Ok(Observed::Received(received)),
            (WithoutTime::Received, None) => {
                let mut rejection = missing();
                rejection.message.push_str(NO_RECEIPT);
                Err(rejection)
            }
            (WithoutTime::Reject, _) => Err(missing()),
        }
    }

    fn given_id(&self, record: &Record, json: &Value) -> Result<Option<EventId>, Rejection> {
        let Some(found) = self.event_id.as_ref().and_then(|id| id.find(record, json)) else {
            return Ok(None);
        };
        let Some(text) = found.text() else {
            return Err(found.rejection(Code::InvalidId, "event id is not a text"));
        };
        EventId::parse(&text).map(Some).map_err(|rejection| found.located(rejection))
    }

    /// The id of an event that brought none. Where the time of receipt stands in for its own, the
    /// record says too little: two equal readings may arrive in one millisecond.
    fn derived_id(
        &self,
        read: Read<'_>,
        observed: Observed,
        payload: &str,
    ) -> Result<(EventId, IdOrigin), Rejection> {
        match (&self.identity, observed) {
            (Identity::NaturalKey(sources), Observed::Own(_) | Observed::Received(_)) => {
                Ok((read.natural_key_id(sources)?, IdOrigin::Given))
            }
            (Identity::Record(_), Observed::Received(_)) => {
                Ok((read.parsed.record().source.event_id(), IdOrigin::Record))
            }
            (Identity::Record(except), Observed::Own(_)) => {
                let kept = self.payload.find_json(read.parsed.record(), read.json);
                let whole = kept.is_some_and(|(kept, _)| std::ptr::eq(kept, read.json));
                let canonical = Some(payload).filter(|_| whole);
                Ok((read.record_id(except, &self.event_type, canonical)?, IdOrigin::Record))
            }
        }
    }
}

impl Observed {
    const fn at(self) -> Timestamp {
        match self {
            Self::Own(at) | Self::Received(at) => at,
        }
    }
}

/// Types go into logs and listings, so they hold no control characters.
fn is_type(text: &str) -> bool {
    (1..=event::TYPE_LIMIT).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// A pointer of bounded length; the names in it are the sender's. Cut between two of them.
fn bounded(mut path: String) -> String {
    if path.len() > limits::REJECTION_PATH_BYTES {
        path.truncate(path.floor_char_boundary(limits::REJECTION_PATH_BYTES));
        path.truncate(path.rfind('/').unwrap_or(0));
    }
    path
}
