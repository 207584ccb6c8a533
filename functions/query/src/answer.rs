//! What several routes answer, and how all of them fail.

use drover_core::base::id::{Kind, SubjectId};
use drover_http::{Parameters, Problem, ProblemBody};
use utoipa::IntoResponses;

/// How a question fails.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "what the document of the routes is made from")]
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

/// How a question about one subject fails besides.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "what the document of the routes is made from")]
pub(crate) enum Unknown {
    /// `not_found`: nothing was ever written of this subject
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(ProblemBody),
}

/// How a question about the past of a subject fails besides.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "what the document of the routes is made from")]
pub(crate) enum Expired {
    /// `beyond_retention`: all that was asked for lies before what is kept
    #[response(status = 410, content_type = "application/problem+json")]
    Gone(ProblemBody),
}

/// What was asked for lies before what is kept.
pub(crate) fn expired() -> Problem {
    Problem::beyond_retention("the history of that time has expired")
}

/// Nothing was ever written of this subject.
pub(crate) fn unknown_subject() -> Problem {
    Problem::not_found("nothing is known of this subject")
}

/// The kind of subjects that `device_id` names.
pub(crate) const DEVICE: &str = "device";

/// The subject that `device_id` or `subject` names, if one of them is there.
///
/// # Errors
/// Both are, or one names no subject.
pub(crate) fn subject(parameters: &mut Parameters) -> Result<Option<SubjectId>, Problem> {
    let named = match (parameters.text("device_id"), parameters.text("subject")) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            let fault = "a subject is named once, by device_id or by subject";
            return Err(Problem::invalid_parameter("subject", fault));
        }
        (Some(device), None) => Kind::parse(DEVICE).and_then(|kind| SubjectId::new(kind, &device)),
        (None, Some(subject)) => SubjectId::parse(&subject),
    };
    named.map(Some).map_err(|rejection| Problem::invalid_id(&rejection))
}
