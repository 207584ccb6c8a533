//! How a record of a contract is read: the fields of an event, one by one.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::document::{Body, Fold, WithoutTime};
use super::identity::{Identity, Read};
use super::lookup::{Found, Lookup};
use super::refusal::{no_receipt, no_type};
use super::sequence::Sequence;
use super::time::TimeSource;
use super::values::Values;
use crate::base::error::{Code, Rejection};
use crate::base::id::{EventId, Kind, Position, SubjectId};
use crate::base::limits;
use crate::base::scope::TenantScope;
use crate::base::time::Timestamp;
use crate::event::{self, Canonical, Entry, Event, Except, IdOrigin, Placing, Spelling, digest};
use crate::intake::record::{Parsed, Record};
use crate::intake::schema::Schema;
use crate::view::ViewSpec;

/// How a record is read.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) body: Body,
    pub(super) kind: Kind,
    pub(super) subject: Lookup,
    pub(super) fold: Option<Fold>,
    pub(super) event_id: Option<Lookup>,
    /// Of a record without an event id.
    pub(super) identity: Identity,
    pub(super) sequence: Option<Sequence>,
    pub(super) event_type: Lookup,
    pub(super) observed_at: Option<TimeSource>,
    pub(super) without_time: WithoutTime,
    pub(super) payload: Lookup,
    /// Members of the payload that are not kept.
    pub(super) except: Except,
    pub(super) schema: Option<Schema>,
}

/// What all records of a contract have in common.
#[derive(Debug)]
pub(super) struct Common {
    /// What the contract is called.
    pub(super) name: Arc<str>,
    /// The number of its version.
    pub(super) version: u32,
    /// The types that the document names: events of one share its text, of which there is a copy
    /// with every other event.
    pub(super) types: BTreeSet<Arc<str>>,
    /// What the units of a view read.
    pub(super) view_spec: Arc<ViewSpec>,
    /// The same, ready for values that are parsed.
    pub(super) values: Values,
}

/// When something was observed, and whether the record says so itself.
#[derive(Clone, Copy)]
enum Observed {
    Own(Timestamp),
    Received(Timestamp),
}

impl Common {
    fn shared_type(&self, text: Cow<'_, str>) -> Arc<str> {
        self.types.get(&*text).map_or_else(|| Arc::from(text), Arc::clone)
    }
}

impl Reading {
    /// The JSON of a record.
    pub(super) fn body<'a>(&self, parsed: &'a Parsed<'_>) -> Result<&'a Value, Rejection> {
        match self.body {
            Body::Json => parsed.record_json(),
            Body::Any => parsed.data(),
        }
    }

    /// The event of a record that its schema takes.
    pub(super) fn event(
        &self,
        common: &Common,
        parsed: &Parsed<'_>,
        json: &Value,
        scope: &TenantScope,
    ) -> Result<Event, Rejection> {
        let record = parsed.record();
        let subject = self.subject(parsed, json)?;
        let event_type = common.shared_type(self.event_type(parsed, json)?);
        let (payload, skipped) = self.payload(common, parsed, json, &event_type)?;
        let observed = self.observed_at(parsed, json)?;
        let sequence = match &self.sequence {
            Some(sequence) => sequence.read(parsed, json)?,
            None => 0,
        };
        let (event_id, id_origin) = match self.given_id(parsed, json)? {
            Some(id) => (id, IdOrigin::Given),
            None => {
                let read = Read { contract: &common.name, parsed, json };
                self.derived_id(read, observed, &payload)?
            }
        };
        let position = Position { observed_at: observed.at(), sequence, event_id };
        let entry = Entry {
            position,
            id_origin,
            event_type,
            contract: Arc::clone(&common.name),
            contract_version: common.version,
            ingested_at: record.ingested_at,
            payload,
            placing: Placing::default(),
        };
        Ok(Event { subject: scope.subject(subject), entry: Arc::new(entry), skipped })
    }

    pub(super) fn check_schema(&self, json: &Value) -> Result<(), Rejection> {
        match self.schema.as_ref().and_then(|schema| schema.first_fault(json)) {
            None => Ok(()),
            Some(fault) => {
                let path = bounded(fault.path);
                Err(Rejection::at(Code::SchemaViolation, path, fault.message))
            }
        }
    }

    /// Every source that is looked at, but for those of a natural key.
    pub(super) fn lookups(&self) -> impl Iterator<Item = &Lookup> {
        let sequence = match &self.sequence {
            Some(Sequence::Source(lookup, _)) => Some(lookup),
            Some(Sequence::Offset) | None => None,
        };
        let time = self.observed_at.as_ref().map(TimeSource::lookup);
        let optional = self.event_id.iter().chain(sequence).chain(time);
        let identity = self.identity.sources();
        [&self.subject, &self.event_type, &self.payload].into_iter().chain(optional).chain(identity)
    }

    fn subject(&self, parsed: &Parsed<'_>, json: &Value) -> Result<SubjectId, Rejection> {
        const WHAT: &str = "the subject's id";
        let found = self.subject.find(parsed, json);
        let found = found.ok_or_else(|| self.subject.missing(WHAT, parsed, json))?;
        let text = id_text(&found, WHAT)?;
        let text = match self.fold {
            Some(Fold::Lower) => Cow::Owned(text.to_lowercase()),
            None => text,
        };
        SubjectId::new(self.kind.clone(), &text).map_err(|rejection| found.located(rejection))
    }

    fn event_type<'a>(
        &'a self,
        parsed: &'a Parsed<'_>,
        json: &'a Value,
    ) -> Result<Cow<'a, str>, Rejection> {
        let found = self.event_type.find(parsed, json);
        let found = found.ok_or_else(|| self.event_type.missing("the event type", parsed, json))?;
        match found.text() {
            Some(text) if is_type(&text) => Ok(text),
            Some(text) => Err(found.rejection(Code::SchemaViolation, no_type(&text))),
            None => {
                let message = format!("the event type: wanted a text, came {}", found.kind());
                Err(found.rejection(Code::SchemaViolation, message))
            }
        }
    }

    /// What history keeps, and which of its values a view cannot read. The payload may be the contract's
    /// own, so it has its own limit.
    fn payload(
        &self,
        common: &Common,
        parsed: &Parsed<'_>,
        json: &Value,
        event_type: &str,
    ) -> Result<(Arc<str>, Vec<Arc<str>>), Rejection> {
        let found = self.payload.find_json(parsed, json);
        let (found, place) =
            found.ok_or_else(|| self.payload.missing("the payload", parsed, json))?;
        let except = Some(&self.except).filter(|except| !except.is_empty());
        let canonical = Canonical { value: found, except, spelling: Spelling::Kept };
        let payload: Arc<str> = parsed.with_canonical(canonical, place, |text| Arc::from(text))?;
        if payload.len() > limits::RECORD_BYTES {
            let (bytes, limit) = (payload.len(), limits::RECORD_BYTES);
            let message =
                format!("the payload is too large: canonical bytes=`{bytes}` limit=`{limit}`");
            return Err(Rejection::new(Code::TooLarge, message));
        }
        let skipped = common.values.check(&common.view_spec, event_type, found, place)?;
        Ok((payload, skipped))
    }

    fn observed_at(&self, parsed: &Parsed<'_>, json: &Value) -> Result<Observed, Rejection> {
        let record = parsed.record();
        let Some(time) = &self.observed_at else {
            return self.received(record, || {
                Rejection::new(Code::MissingField, "records of this contract have no time")
            });
        };
        match time.find(parsed, json) {
            None => self.received(record, || time.missing(parsed, json)),
            Some(found) => {
                let own = time.read(found.value).map(Observed::Own);
                own.ok_or_else(|| time.refusal(&found))
            }
        }
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
                rejection.message.push_str(&no_receipt(&record.source));
                Err(rejection)
            }
            (WithoutTime::Reject, _) => Err(missing()),
        }
    }

    /// An id that cannot be stored as it is gives way to its digest.
    fn given_id(&self, parsed: &Parsed<'_>, json: &Value) -> Result<Option<EventId>, Rejection> {
        let Some(found) = self.event_id.as_ref().and_then(|id| id.find(parsed, json)) else {
            return Ok(None);
        };
        let text = id_text(&found, "the event's id")?;
        if text.is_empty() || EventId::fits(&text) {
            return EventId::parse(&text).map(Some).map_err(|rejection| found.located(rejection));
        }
        Ok(Some(EventId::trusted(digest(&[b"event id", text.as_bytes()]))))
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
                let source = &read.parsed.record().source;
                Ok((source.event_id(read.parsed.part_number()), IdOrigin::Record))
            }
            (Identity::Record(except), Observed::Own(_)) => {
                let kept = self.payload.find_json(read.parsed, read.json);
                let whole = read.parsed.element_number().is_none()
                    && self.except.is_empty()
                    && kept.is_some_and(|(kept, _)| std::ptr::eq(kept, read.json));
                let same = whole && read.parsed.has_plain_numbers();
                let canonical = Some(payload).filter(|_| same);
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

fn id_text<'a>(found: &Found<'a>, what: &str) -> Result<Cow<'a, str>, Rejection> {
    found.text().ok_or_else(|| {
        let message = format!("{what}: wanted a text or a whole number, came {}", found.excerpt());
        found.rejection(Code::InvalidId, message)
    })
}

/// The message about an invalid event type.
pub(super) const BAD_TYPE: &str =
    "an event type is a text of 1 to 128 bytes without control characters";

/// Types go into logs and listings, so they hold no control characters.
pub(super) fn is_type(text: &str) -> bool {
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
