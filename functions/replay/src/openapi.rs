//! What the routes of this function look like, from the code. The document of all functions is put
//! together where all of them are known.

use drover_core::web::{Fault, ProblemBody};
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(
    paths(
        crate::letters::list,
        crate::letters::one,
        crate::replays::start,
        crate::replays::recent,
        crate::replays::resume,
        crate::replays::show,
        crate::replays::cancel,
        crate::levels::stats
    ),
    components(schemas(ProblemBody, Fault))
)]
struct Document;

/// The routes of this function.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}
