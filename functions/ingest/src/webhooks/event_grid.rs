//! The handshake of Azure Event Grid in its own schema: Event Grid posts a validation event and gets the
//! code of the event as the answer.
//! <https://learn.microsoft.com/azure/event-grid/end-point-validation-event-grid-schema>
//!
//! The request names no origin. The origin of Event Grid is [`ORIGIN`], as in its CloudEvents handshake. The
//! address in `validationUrl` is not called.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use drover_core::ports::EventLog;
use drover_http::{Credentials, Parameters, Problem};
use drover_intake::{Intake, IntakePorts};
use serde_json::Value;

use super::{WebhookOrigins, malformed};
use crate::answer::ValidationAnswer;
use crate::events::caller;

/// The origin of Event Grid.
const ORIGIN: &str = "eventgrid.azure.net";
const EVENT_TYPE_HEADER: HeaderName = HeaderName::from_static("aeg-event-type");
const VALIDATION: &str = "SubscriptionValidation";
const EVENT_TYPE: &str = "Microsoft.EventGrid.SubscriptionValidationEvent";
/// The maximum length of a validation request, in bytes. Event Grid's are shorter than 1 KB.
const BODY_BYTES: usize = 16 * 1024;
const CODE_BYTES: usize = 128;

/// The state that a handshake needs.
pub(crate) struct Handshakes<W, S> {
    pub(crate) intake: Arc<Intake<W, S>>,
    pub(crate) origins: Arc<WebhookOrigins>,
}

impl<W, S> Clone for Handshakes<W, S> {
    fn clone(&self) -> Self {
        Self { intake: Arc::clone(&self.intake), origins: Arc::clone(&self.origins) }
    }
}

/// Answers validation requests, and passes all others.
pub(crate) async fn handshake<W: IntakePorts, S: EventLog>(
    State(handshakes): State<Handshakes<W, S>>,
    request: Request,
    next: Next,
) -> Response {
    let is_validation =
        request.headers().get(EVENT_TYPE_HEADER).is_some_and(|value| value == VALIDATION);
    if !is_validation {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    match validated(&handshakes, parts, body).await {
        Ok(answer) => Json(answer).into_response(),
        Err(problem) => problem.into_response(),
    }
}

async fn validated<W: IntakePorts, S: EventLog>(
    Handshakes { intake, origins }: &Handshakes<W, S>,
    mut parts: Parts,
    body: Body,
) -> Result<ValidationAnswer, Problem> {
    let Ok(credentials) = Credentials::from_request_parts(&mut parts, &()).await;
    caller(intake, &credentials).await?;
    let mut parameters = Parameters::parse(parts.uri.query())?;
    parameters.text("contract");
    parameters.finish()?;
    origins.admit(ORIGIN)?;
    let body = to_bytes(body, BODY_BYTES).await.map_err(|_| {
        let detail = format!("the subscription validation is too large: limit=`{BODY_BYTES}`");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
    })?;
    Ok(ValidationAnswer { validation_response: code(&body)? })
}

/// The code of a validation event.
fn code(body: &[u8]) -> Result<String, Problem> {
    let body: Value = serde_json::from_slice(body).map_err(|fault| {
        let (line, column) = (fault.line(), fault.column());
        let detail = format!("the body is not JSON: line=`{line}` column=`{column}`");
        Problem::bad_request("malformed_json", detail)
    })?;
    let event = match body.as_array().map(Vec::as_slice) {
        Some([event]) => event,
        Some(events) => return Err(not_one_event(&events.len().to_string())),
        None => return Err(not_one_event("no array")),
    };
    if event.get("eventType").and_then(Value::as_str) != Some(EVENT_TYPE) {
        return Err(malformed(format!(
            "the event of a subscription validation has another type: path=`/0/eventType` expected=`{EVENT_TYPE}`"
        )));
    }
    let code = event.pointer("/data/validationCode").and_then(Value::as_str);
    let code = code.filter(|code| {
        (1..=CODE_BYTES).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_graphic())
    });
    code.map(str::to_owned).ok_or_else(|| {
        malformed(format!(
            "the code of a subscription validation is not 1 to {CODE_BYTES} visible ASCII characters: \
             path=`/0/data/validationCode`"
        ))
    })
}

fn not_one_event(found: &str) -> Problem {
    malformed(format!(
        "the body of a subscription validation is an array with one event: events=`{found}`"
    ))
}
