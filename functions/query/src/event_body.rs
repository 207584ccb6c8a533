//! An event in a response.

use std::sync::Arc;

use drover_core::base::dependency::Dependency;
use drover_core::base::error::{Reason, Unavailable};
use drover_core::base::id::SubjectId;
use drover_core::base::time::Timestamp;
use drover_core::event::Entry;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// One event.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventBody {
    /// The event's subject, in responses with events of several subjects.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "device/device-001")]
    subject: Option<String>,
    /// The event's id.
    event_id: String,
    /// The event's type.
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "temperature")]
    event_type: Arc<str>,
    /// When the event was observed.
    #[schema(value_type = String, format = DateTime)]
    observed_at: Timestamp,
    /// When Drover received the event.
    #[schema(value_type = String, format = DateTime)]
    ingested_at: Timestamp,
    /// The part of the event that its contract keeps.
    #[schema(value_type = serde_json::Value, example = json!({"value": 21.5}))]
    payload: Box<RawValue>,
    /// Whether the event is settled: it and all earlier events change only together with the epoch.
    settled: bool,
}

/// The size of an event in a Lambda response, in bytes. Lambda embeds the body as a JSON string, in
/// which every quotation mark and backslash takes two bytes.
pub(crate) fn answer_bytes(entry: &Entry) -> usize {
    let escaped = entry.payload.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count();
    entry.plain_size() + escaped
}

impl EventBody {
    /// Creates the body of an event whose subject is settled until the given time.
    ///
    /// # Errors
    /// The stored payload is not JSON.
    pub(crate) fn of(entry: &Entry, settled_until: Option<Timestamp>) -> Result<Self, Unavailable> {
        let observed_at = entry.position.observed_at;
        // Without the parser's error, which may quote the payload.
        let payload = RawValue::from_string(entry.payload.to_string()).map_err(|_| {
            Unavailable::new(Reason::Corrupt, "a stored payload is no JSON")
                .of(Dependency::LedgerTable)
        })?;
        Ok(Self {
            subject: None,
            event_id: entry.position.event_id.to_string(),
            event_type: Arc::clone(&entry.event_type),
            observed_at,
            ingested_at: entry.ingested_at,
            payload,
            settled: settled_until.is_some_and(|until| observed_at <= until),
        })
    }

    /// Adds the subject, for responses with events of several subjects.
    pub(crate) fn among_others(self, subject: &SubjectId) -> Self {
        Self { subject: Some(subject.to_string()), ..self }
    }
}
