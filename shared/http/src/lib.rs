//! Shared parts of the HTTP functions: credentials, error responses, query strings, and the layers
//! of every router. Each function defines its own routes.
//!
//! - [`alert_body`]: the shape of an alert, which several functions return
//! - [`problem`]: every error as `application/problem+json` (RFC 9457); `refused`: the errors of intake
//! - [`caller`]: the credentials of a request
//! - [`sent`]: requests with events
//! - [`cursor`]: cursors for paging
//! - [`parameters`]: strict query strings
//! - [`settings`]: shared configuration variables
//! - [`layers`]: correlation ids, CORS, panics, 404 and 405; `access_log`: one line per request
//! - [`gateway`]: HTTP functions behind API Gateway: events as requests, and the claims that it verified

mod access_log;
pub mod alert_body;
pub mod caller;
pub mod cursor;
pub mod gateway;
pub mod layers;
pub mod parameters;
pub mod problem;
mod refused;
pub mod sent;
pub mod settings;

pub use self::caller::{Credentials, with_claims};
pub use self::cursor::Cursors;
pub use self::layers::{CorrelationId, Origins, finished};
pub use self::parameters::Parameters;
pub use self::problem::{Fault, NotAdmitted, Problem, ProblemBody};
