//! The result of trying records, as JSON: the same over HTTP and from `drover contracts try --json`.

use std::collections::BTreeMap;
use std::sync::Arc;

use drover_core::base::error::Rejection;
use drover_core::base::time::Timestamp;
use drover_core::intake::trial::{Trial, TrialOutcome, TriedEvent};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// What a contract makes of records.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckAnswer {
    /// The name of the contract.
    #[schema(value_type = String, example = "telemetry")]
    pub contract: Arc<str>,
    /// How many events it makes.
    pub accepted: usize,
    /// How many records or elements it ignores.
    pub ignored: usize,
    /// How many records or elements are rejected.
    pub rejected: usize,
    /// `false` if the response ended early at its limit and results are missing.
    pub complete: bool,
    /// One result for each record, or for each element that the contract's transform makes of it, in order.
    pub results: Vec<CheckResult>,
}

/// What a record or an element becomes.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum CheckResult {
    /// An event.
    Accepted {
        /// The record, from 0.
        index: usize,
        /// The element of the record, from 0, where its contract has a transform.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        element: Option<u32>,
        /// The event.
        event: CheckedEvent,
    },
    /// Nothing: its contract ignores it.
    Ignored {
        /// The record, from 0.
        index: usize,
        /// The element of the record, from 0, where its contract has a transform that makes elements of it.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        element: Option<u32>,
    },
    /// A dead letter.
    Rejected {
        /// The record, from 0.
        index: usize,
        /// The element of the record, from 0, where its contract has a transform.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        element: Option<u32>,
        /// Why.
        error: CheckError,
        /// The event that the contract reads, if only the clock rules of the tenant reject it.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        event: Option<CheckedEvent>,
    },
}

/// Why a record or an element is rejected.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CheckError {
    /// A stable code.
    #[schema(example = "schema_violation")]
    pub code: &'static str,
    /// JSON Pointer to the invalid value, if any.
    #[schema(example = "/payload/value")]
    pub path: Option<String>,
    /// Message for people.
    pub message: String,
}

/// An event and what a view reads from it.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckedEvent {
    /// The subject, as `kind/id`.
    #[schema(example = "device/device-001")]
    pub subject: String,
    /// The event's id: its own, or the one that is made for it.
    pub event_id: String,
    /// The event's type.
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "temperature")]
    pub event_type: Arc<str>,
    /// When it was observed.
    #[schema(value_type = String, format = DateTime)]
    pub observed_at: Timestamp,
    /// Orders events that were observed at the same time.
    pub sequence: u64,
    /// The part that history keeps.
    #[schema(value_type = serde_json::Value, example = json!({"value": 21.5}))]
    pub payload: Box<RawValue>,
    /// The measures that a view reads, by name.
    #[schema(value_type = BTreeMap<String, CheckedMeasure>)]
    pub measures: BTreeMap<Arc<str>, CheckedMeasure>,
    /// The status that a view reads.
    #[schema(required = true)]
    pub status: Option<String>,
    /// The location that a view reads.
    #[schema(required = true)]
    pub location: Option<CheckedLocation>,
    /// Values that are there and cannot be read: names of measures, `status`, `location`.
    #[schema(value_type = Vec<String>)]
    pub skipped: Vec<Arc<str>>,
}

/// A measure that a view reads.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CheckedMeasure {
    /// The value, in the unit of the measure.
    pub value: f64,
    /// The unit of the measure.
    #[schema(value_type = Option<String>, required = true, example = "celsius")]
    pub unit: Option<Arc<str>>,
}

/// A location that a view reads.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct CheckedLocation {
    /// In degrees, from -90 (south) to 90.
    pub latitude: f64,
    /// In degrees, from -180 (west) to 180.
    pub longitude: f64,
}

/// A payload is not JSON. Contracts make no such payload.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the payload of an event is not JSON")]
pub struct NotJson;

impl CheckAnswer {
    /// An answer without results.
    pub fn new(contract: &Arc<str>) -> Self {
        Self {
            contract: Arc::clone(contract),
            accepted: 0,
            ignored: 0,
            rejected: 0,
            complete: true,
            results: Vec::new(),
        }
    }

    /// Adds and counts a result.
    pub fn add(&mut self, result: CheckResult) {
        match result {
            CheckResult::Accepted { .. } => self.accepted += 1,
            CheckResult::Ignored { .. } => self.ignored += 1,
            CheckResult::Rejected { .. } => self.rejected += 1,
        }
        self.results.push(result);
    }
}

impl CheckResult {
    /// The result of a record, or of one of its elements.
    ///
    /// # Errors
    /// [`NotJson`]
    pub fn of(index: usize, trial: &Trial) -> Result<Self, NotJson> {
        let element = trial.element;
        Ok(match &trial.outcome {
            TrialOutcome::Accepted(event) => {
                Self::Accepted { index, element, event: CheckedEvent::of(event)? }
            }
            TrialOutcome::Ignored => Self::Ignored { index, element },
            TrialOutcome::Rejected { rejection, event } => Self::Rejected {
                index,
                element,
                error: CheckError::of(rejection),
                event: event.as_ref().map(CheckedEvent::of).transpose()?,
            },
        })
    }

    /// Its approximate size in a response.
    pub(crate) fn answer_bytes(&self) -> usize {
        const FIXED: usize = 512;
        const MEASURE: usize = 192;
        let event = match self {
            Self::Accepted { event, .. } => Some(event),
            Self::Rejected { event, .. } => event.as_ref(),
            Self::Ignored { .. } => None,
        };
        FIXED
            + event.map_or(0, |event| {
                let read = MEASURE * (event.measures.len() + event.skipped.len());
                2 * event.payload.get().len() + event.subject.len() + read
            })
    }
}

impl CheckError {
    fn of(rejection: &Rejection) -> Self {
        Self {
            code: rejection.code.as_str(),
            path: rejection.path.clone(),
            message: rejection.message.clone(),
        }
    }
}

impl CheckedEvent {
    fn of(tried: &TriedEvent) -> Result<Self, NotJson> {
        let (entry, skipped) = (&tried.event.entry, tried.event.skipped.clone());
        let measures = tried.measures.iter().map(|measure| {
            let (value, unit) = (measure.value, measure.unit.clone());
            (Arc::clone(&measure.name), CheckedMeasure { value, unit })
        });
        let location =
            tried.location.map(|(latitude, longitude)| CheckedLocation { latitude, longitude });
        Ok(Self {
            subject: tried.event.subject.subject().to_string(),
            event_id: entry.position.event_id.to_string(),
            event_type: Arc::clone(&entry.event_type),
            observed_at: entry.position.observed_at,
            sequence: entry.position.sequence,
            payload: RawValue::from_string(entry.payload.to_string()).map_err(|_| NotJson)?,
            measures: measures.collect(),
            status: tried.status.clone(),
            location,
            skipped,
        })
    }
}
