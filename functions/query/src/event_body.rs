//! An event as an answer has it.

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
    /// Whose it is, where events of several subjects come together.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "device/device-001")]
    subject: Option<String>,
    /// Its id.
    event_id: String,
    /// Its type.
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "temperature")]
    event_type: Arc<str>,
    /// When it was observed.
    #[schema(value_type = String, format = DateTime)]
    observed_at: Timestamp,
    /// When it was received.
    #[schema(value_type = String, format = DateTime)]
    ingested_at: Timestamp,
    /// What its contract keeps of it.
    #[schema(value_type = serde_json::Value, example = json!({"value": 21.5}))]
    payload: Box<RawValue>,
    /// Whether it and everything before it changes only together with the epoch.
    settled: bool,
}

/// What an event takes of an answer. Lambda's answer is JSON that has ours as a text, in which every
/// quotation mark and backslash takes two bytes.
pub(crate) fn answer_bytes(entry: &Entry) -> usize {
    let escaped = entry.payload.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count();
    entry.plain_size() + escaped
}

impl EventBody {
    /// An event of a subject that is settled until then.
    ///
    /// # Errors
    /// Its stored payload is no JSON.
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

    /// The same among events of other subjects.
    pub(crate) fn among_others(self, subject: &SubjectId) -> Self {
        Self { subject: Some(subject.to_string()), ..self }
    }
}
