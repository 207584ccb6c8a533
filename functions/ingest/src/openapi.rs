//! What the routes of this function look like, from the code. The document of all functions is put
//! together where all of them are known.

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
        crate::compat::hello
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

/// The routes of this function.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}
