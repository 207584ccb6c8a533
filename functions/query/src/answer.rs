//! Responses shared by several routes, and the problems of every route.

use drover_core::base::id::{Kind, SubjectId};
use drover_http::{Parameters, Problem, ProblemBody};
use utoipa::IntoResponses;

/// Problems of every request.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only for the OpenAPI document")]
pub(crate) enum Refused {
    /// `unknown_parameter`, `invalid_parameter`, `invalid_cursor`, `invalid_id`
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(ProblemBody),
    /// `rate_limited`, with `Retry-After`
    #[response(status = 429, content_type = "application/problem+json")]
    Limited(ProblemBody),
    /// `unavailable`, with `Retry-After`
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(ProblemBody),
}

/// Further problems of a request about one subject.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only for the OpenAPI document")]
pub(crate) enum Unknown {
    /// `not_found`: the subject does not exist
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(ProblemBody),
}

/// The subject does not exist.
pub(crate) fn unknown_subject() -> Problem {
    Problem::not_found("the subject does not exist")
}

/// The kind of the subject that `device_id` names.
pub(crate) const DEVICE: &str = "device";

/// The subject that `device_id` or `subject` names, or `None` if the query has neither.
///
/// # Errors
/// The query has both, or the id is invalid.
pub(crate) fn subject(parameters: &mut Parameters) -> Result<Option<SubjectId>, Problem> {
    let named = match (parameters.text("device_id"), parameters.text("subject")) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            let fault = "give either device_id or subject, not both";
            return Err(Problem::invalid_parameter("subject", fault));
        }
        (Some(device), None) => Kind::parse(DEVICE).and_then(|kind| SubjectId::new(kind, &device)),
        (None, Some(subject)) => SubjectId::parse(&subject),
    };
    named.map(Some).map_err(|rejection| Problem::invalid_id(&rejection))
}
