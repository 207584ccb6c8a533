//! The identity of records without an event id: the digest of the record, or of a natural key in the
//! record.
//!
//! The digest covers the record and not the event that the contract makes of the record. A corrected
//! contract makes another event of the same bytes, but a redelivery must find the first event. The digest
//! excludes the subject and the time of observation, because the position of the event has both.

use jsonptr::{Pointer, PointerBuf};
use serde_json::Value;

use super::document::{ContractDocument, IdentityDocument, always_given};
use super::lookup::{Found, Lookup, Raw, compiled_pointer};
use crate::base::error::{Code, Rejection};
use crate::base::id::EventId;
use crate::base::limits;
use crate::event::{Canonical, Except, Spelling, digest};
use crate::intake::fault::{Faults, too_many};
use crate::intake::record::{HeaderValue, Parsed};

/// The first part of a digest, so that records and natural keys have different digests.
const RECORD: &[u8] = b"record";
const NATURAL_KEY: &[u8] = b"key";

/// The content of the digest.
#[derive(Debug)]
pub(super) enum Identity {
    /// The body of the record without some members, and the headers from which the type is read.
    Record(Except),
    /// The values of these sources.
    NaturalKey(Vec<Lookup>),
}

/// A record and the name of its contract.
#[derive(Clone, Copy)]
pub(super) struct Read<'a> {
    pub(super) contract: &'a str,
    pub(super) parsed: &'a Parsed<'a>,
    pub(super) json: &'a Value,
}

impl Identity {
    /// Compiles the identity of a document, or the default identity; `None` after a fault.
    pub(super) fn compile(
        document: &ContractDocument,
        path: &str,
        faults: &mut Faults,
    ) -> Option<Self> {
        let Some(identity) = &document.identity else { return Some(Self::default()) };
        if always_given(document.event_id.as_ref()) {
            faults.add(
                path,
                "never read: event_id has a const or a default, so no event is without an id",
            );
            return None;
        }
        match (identity.except.is_empty(), identity.of.is_empty()) {
            (false, true) => except(document, identity, path, faults).map(Self::Record),
            (true, false) => natural_key(identity, path, faults).map(Self::NaturalKey),
            (true, true) | (false, false) => {
                faults.add(path, "exactly one of except and of is needed");
                None
            }
        }
    }
}

impl Identity {
    /// The sources of a natural key.
    pub(super) fn sources(&self) -> &[Lookup] {
        match self {
            Self::NaturalKey(sources) => sources,
            Self::Record(_) => &[],
        }
    }
}

impl Default for Identity {
    fn default() -> Self {
        Self::Record(Except::default())
    }
}

fn except(
    document: &ContractDocument,
    identity: &IdentityDocument,
    path: &str,
    faults: &mut Faults,
) -> Option<Except> {
    let path = format!("{path}/except");
    if document.observed_at.is_none() {
        faults.add(
            path,
            "never read: without observed_at, where a record was read is its identity; name a natural key with of",
        );
        return None;
    }
    left_out(&identity.except, &path, faults)
}

/// Compiles pointers to omitted members; `None` after a fault.
pub(super) fn left_out(texts: &[String], path: &str, faults: &mut Faults) -> Option<Except> {
    if texts.len() > limits::IDENTITY_EXCEPT {
        faults.add(path, too_many("pointers", texts.len(), limits::IDENTITY_EXCEPT));
        return None;
    }
    // All pointers are compiled, so that all faults are reported.
    let pointers = texts.iter().enumerate().map(|(index, text)| {
        let path = format!("{path}/{index}");
        let pointer = compiled_pointer(text, &path, faults)?;
        if pointer.is_root() {
            faults.add(path, "the whole cannot be left out");
            return None;
        }
        Some((path, pointer))
    });
    let pointers: Vec<Option<(String, PointerBuf)>> = pointers.collect();
    let pointers: Vec<(String, PointerBuf)> = pointers.into_iter().collect::<Option<_>>()?;
    let mut except = Except::default();
    for (index, (path, pointer)) in pointers.iter().enumerate() {
        let others = pointers.iter().enumerate().filter(|(other, _)| *other != index);
        let inside = others.map(|(_, (_, other))| other).any(|other| pointer.starts_with(other));
        if inside {
            faults.add(path, "another pointer leaves this out already");
            return None;
        }
        except.put(pointer, ());
    }
    Some(except)
}

fn natural_key(
    identity: &IdentityDocument,
    path: &str,
    faults: &mut Faults,
) -> Option<Vec<Lookup>> {
    let path = format!("{path}/of");
    if identity.of.len() > limits::IDENTITY_SOURCES {
        faults.add(path, too_many("sources", identity.of.len(), limits::IDENTITY_SOURCES));
        return None;
    }
    let sources = identity.of.iter().enumerate().map(|(index, source)| {
        let path = format!("{path}/{index}");
        if always_given(Some(source)) {
            faults.add(path, "a const or a default tells no two records apart; an absent source counts as absent");
            return None;
        }
        Lookup::compile(source, &path, faults)
    });
    let sources: Vec<Option<Lookup>> = sources.collect();
    sources.into_iter().collect()
}

impl Read<'_> {
    /// The digest of the record without the omitted members, and of the element number. The digest covers the
    /// record and not the element, so that a corrected transform does not make a second event of a redelivered
    /// record.
    ///
    /// `event_type` finds the type. If a header has the type, records with the same body and different headers
    /// are different events. `canonical` is the canonical text of the whole record, if it is known.
    pub(super) fn record_id(
        self,
        except: &Except,
        event_type: &Lookup,
        canonical: Option<&str>,
    ) -> Result<EventId, Rejection> {
        let headers: Vec<Vec<u8>> =
            event_type.plain(self.parsed.record()).map(header_part).collect();
        let element = self.parsed.element_number().unwrap_or_default();
        let id = |body: &str| self.id(RECORD, element, &headers, Some(body));
        let root = Some(Pointer::root());
        let of = |value| Canonical { value, except: Some(except), spelling: Spelling::Normal };
        match (canonical, self.parsed.identity_text()) {
            (Some(canonical), _) if except.is_empty() => Ok(id(canonical)),
            (_, None) => self.parsed.with_canonical(of(self.json), root, id),
            (_, Some(shared)) => {
                let whole = self.parsed.whole();
                let text = || whole.with_canonical(of(whole.json()?), root, str::to_owned);
                shared.get_or_init(text).as_ref().map(|text| id(text)).map_err(Clone::clone)
            }
        }
    }

    /// The digest of a natural key.
    pub(super) fn natural_key_id(self, sources: &[Lookup]) -> Result<EventId, Rejection> {
        let found: Vec<Option<Found<'_>>> =
            sources.iter().map(|source| source.find(self.parsed, self.json)).collect();
        if found.iter().all(Option::is_none) {
            let Self { parsed, json, .. } = self;
            return Err(Lookup::all_missing("the natural key of the event", sources, parsed, json));
        }
        let parts: Result<Vec<Vec<u8>>, Rejection> =
            found.into_iter().map(|found| self.key_part(found)).collect();
        // The element number is no part of a natural key.
        Ok(self.id(NATURAL_KEY, 0, &parts?, None))
    }

    fn id(self, what: &[u8], element: u32, parts: &[Vec<u8>], body: Option<&str>) -> EventId {
        let element = element.to_be_bytes();
        let mut all = vec![what, self.contract.as_bytes(), element.as_slice()];
        all.extend(parts.iter().map(Vec::as_slice));
        all.extend(body.map(str::as_bytes));
        EventId::trusted(digest(&all))
    }

    /// One part of a natural key as canonical JSON, which is never empty; an absent value gives an empty part.
    fn key_part(self, found: Option<Found<'_>>) -> Result<Vec<u8>, Rejection> {
        let Some(found) = found else { return Ok(Vec::new()) };
        let header;
        let value = match found.value {
            Raw::Json(value) => value,
            Raw::Plain(_) => {
                header = Value::from(found.text().ok_or_else(|| {
                    let kind = found.kind();
                    let message = format!("wanted a part of the identity as text, came {kind}");
                    found.rejection(Code::InvalidId, message)
                })?);
                &header
            }
        };
        let canonical = Canonical { value, except: None, spelling: Spelling::Normal };
        self.parsed.with_canonical(canonical, found.path, |text| text.as_bytes().to_vec())
    }
}

/// The bytes of a header for the digest; an absent header differs from an empty header.
fn header_part(value: Option<HeaderValue<'_>>) -> Vec<u8> {
    const ABSENT: u8 = 0;
    const PRESENT: u8 = 1;
    const UNREADABLE: u8 = 2;
    match value {
        None => vec![ABSENT],
        Some(HeaderValue::Text(text)) => [&[PRESENT], text.as_bytes()].concat(),
        Some(HeaderValue::Long(number) | HeaderValue::Millis(number)) => {
            [&[PRESENT], number.to_string().as_bytes()].concat()
        }
        Some(HeaderValue::Unreadable) => vec![UNREADABLE],
    }
}
