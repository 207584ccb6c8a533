//! An event between ingest and processor: the value of a record of `drover.events`. It passed its
//! contract before it was written, and only ingest may write there, so reading it checks no schema
//! and takes its tenant as verified.

use std::sync::Arc;

use jsonptr::Pointer;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::base::error::{Code, Rejection};
use crate::base::id::{EventId, Kind, Position, SubjectId, TenantId};
use crate::base::limits;
use crate::base::scope::TenantScope;
use crate::base::time::Timestamp;
use crate::event::{Canonical, Entry, Event, IdOrigin, Placing, Spelling, TYPE_LIMIT, is_digest};
use crate::intake::record::Parsed;

const VERSION: u64 = 1;
/// Where the payload stands.
const PAYLOAD: &Pointer = Pointer::from_static("/payload");
/// The word for [`IdOrigin::Record`].
const OF_RECORD: &str = "record";

#[derive(Serialize)]
struct Envelope<'a> {
    v: u64,
    tenant: &'a str,
    contract: &'a str,
    /// Absent: 0.
    #[serde(skip_serializing_if = "is_zero")]
    contract_version: u32,
    kind: &'a str,
    id: &'a str,
    event_id: &'a str,
    /// Absent: the id was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    id_origin: Option<&'static str>,
    #[serde(rename = "type")]
    event_type: &'a str,
    observed_at: Timestamp,
    /// Absent: 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
    ingested_at: Timestamp,
    payload: &'a RawValue,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(version: &u32) -> bool {
    *version == 0
}

/// The envelope of an event.
///
/// # Errors
/// Never for an event that a contract or [`read`] made: its payload is JSON.
pub fn write(event: &Event) -> Result<Vec<u8>, serde_json::Error> {
    let (subject, entry) = (event.subject.subject(), &event.entry);
    serde_json::to_vec(&Envelope {
        v: VERSION,
        tenant: event.subject.tenant().as_str(),
        contract: &entry.contract,
        contract_version: entry.contract_version,
        kind: subject.kind().as_str(),
        id: subject.id(),
        event_id: entry.position.event_id.as_str(),
        id_origin: match entry.id_origin {
            IdOrigin::Given => None,
            IdOrigin::Record => Some(OF_RECORD),
        },
        event_type: &entry.event_type,
        observed_at: entry.position.observed_at,
        sequence: Some(entry.position.sequence).filter(|sequence| *sequence > 0),
        ingested_at: entry.ingested_at,
        payload: serde_json::from_str(&entry.payload)?,
    })
}

/// Reads an envelope as an event of the tenant that it names.
///
/// # Errors
/// What an envelope of ingest never is: `missing_field`, `schema_violation`, `invalid_id`,
/// `invalid_timestamp`, `too_large`; and `tenant_mismatch` with a scope of another tenant.
pub fn read(parsed: &Parsed<'_>, scope: &TenantScope) -> Result<Event, Rejection> {
    let json = parsed.json()?;
    if field(json, "v")?.as_u64() != Some(VERSION) {
        return Err(refused("v", "this version of the envelope is not known"));
    }
    if tenant(json)? != *scope.tenant() {
        return Err(Rejection::at(Code::TenantMismatch, "/tenant", "not the tenant of the scope"));
    }
    let kind = at("kind", Kind::parse(text(json, "kind")?))?;
    let subject = at("id", SubjectId::new(kind, text(json, "id")?))?;
    let entry = Arc::new(entry(parsed, json)?);
    Ok(Event { subject: scope.subject(subject), entry, skipped: Vec::new() })
}

/// The tenant that an envelope names.
pub(crate) fn tenant(json: &Value) -> Result<TenantId, Rejection> {
    at("tenant", TenantId::parse(text(json, "tenant")?))
}

fn entry(parsed: &Parsed<'_>, json: &Value) -> Result<Entry, Rejection> {
    let event_id = at("event_id", EventId::parse(text(json, "event_id")?))?;
    let id_origin = id_origin(json, &event_id)?;
    let sequence = sequence(json)?;
    let position = Position { observed_at: time(json, "observed_at")?, sequence, event_id };
    let event_type = name(json, "type")?;
    let canonical =
        Canonical { value: field(json, "payload")?, except: None, spelling: Spelling::Kept };
    let payload: Arc<str> =
        parsed.with_canonical(canonical, Some(PAYLOAD), |text| Arc::from(text))?;
    if payload.len() > limits::RECORD_BYTES {
        return Err(Rejection::at(Code::TooLarge, "/payload", "the payload is too large"));
    }
    let (contract, contract_version) = (name(json, "contract")?, contract_version(json)?);
    let ingested_at = time(json, "ingested_at")?;
    Ok(Entry {
        position,
        id_origin,
        event_type,
        contract,
        contract_version,
        ingested_at,
        payload,
        placing: Placing::default(),
    })
}

fn contract_version(json: &Value) -> Result<u32, Rejection> {
    let Some(version) = json.get("contract_version") else { return Ok(0) };
    let number = version.as_u64().and_then(|number| u32::try_from(number).ok());
    number.ok_or_else(|| refused("contract_version", "this is no number of a version"))
}

fn sequence(json: &Value) -> Result<u64, Rejection> {
    let Some(sequence) = json.get("sequence") else { return Ok(0) };
    let number = sequence.as_i64().and_then(|number| u64::try_from(number).ok());
    number.ok_or_else(|| refused("sequence", "this is no number from 0 to 2^63-1"))
}

/// The record itself is gone, so its digest cannot be had again: the envelope says that it is one.
fn id_origin(json: &Value, event_id: &EventId) -> Result<IdOrigin, Rejection> {
    match json.get("id_origin") {
        None => Ok(IdOrigin::Given),
        Some(Value::String(word)) if word == OF_RECORD && is_digest(event_id) => {
            Ok(IdOrigin::Record)
        }
        Some(_) => Err(refused("id_origin", "this is not an origin of that id")),
    }
}

fn field<'a>(json: &'a Value, name: &str) -> Result<&'a Value, Rejection> {
    json.get(name).ok_or_else(|| {
        Rejection::at(Code::MissingField, format!("/{name}"), "the envelope is incomplete")
    })
}

fn text<'a>(json: &'a Value, name: &str) -> Result<&'a str, Rejection> {
    field(json, name)?.as_str().ok_or_else(|| refused(name, "this is not a text"))
}

fn name(json: &Value, field: &str) -> Result<Arc<str>, Rejection> {
    let text = text(json, field)?;
    if (1..=TYPE_LIMIT).contains(&text.len()) {
        Ok(Arc::from(text))
    } else {
        Err(refused(field, "this has a length outside 1 to 128"))
    }
}

fn time(json: &Value, name: &str) -> Result<Timestamp, Rejection> {
    Timestamp::parse_rfc3339(text(json, name)?).ok_or_else(|| {
        Rejection::at(Code::InvalidTimestamp, format!("/{name}"), "this names no instant")
    })
}

fn refused(name: &str, message: &str) -> Rejection {
    Rejection::at(Code::SchemaViolation, format!("/{name}"), message)
}

fn at<T>(name: &str, result: Result<T, Rejection>) -> Result<T, Rejection> {
    result.map_err(|rejection| Rejection { path: Some(format!("/{name}")), ..rejection })
}

#[cfg(test)]
mod tests;
