//! The OpenAPI document of this function's routes, generated from the code. `local` merges the documents of
//! all functions.

use drover_http::{Fault, ProblemBody};
use utoipa::OpenApi;

use crate::answer::{BatchAnswer, CollectAnswer, EventError, EventResult, ValidationAnswer};

#[derive(OpenApi)]
#[openapi(
    paths(
        crate::events::events,
        crate::webhooks::cloud_events::handshake,
        crate::compat::collect,
        crate::compat::current_time,
        crate::compat::hello,
        crate::received::receive,
        crate::compat::alert,
        crate::simulated::simulate,
        crate::compat::simulate_alert
    ),
    components(schemas(
        BatchAnswer,
        CollectAnswer,
        EventResult,
        EventError,
        ProblemBody,
        Fault,
        ValidationAnswer
    ))
)]
struct Document;

/// The OpenAPI document of this function's routes.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}
