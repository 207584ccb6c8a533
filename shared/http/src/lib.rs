//! What the HTTP functions have in common: what a request proves, what an error looks like, how a query string
//! is read, and the layers around every router. The routes themselves are the functions'.
//!
//! - [`problem`]: every error as `application/problem+json` (RFC 9457); `refused`: those of intake
//! - [`caller`]: what a request brings to prove who sent it
//! - [`cursor`]: where a long answer goes on
//! - [`parameters`]: query strings, in which a typo is an error
//! - [`settings`]: what all of them are configured with
//! - [`layers`]: correlation ids, CORS, panics, 404 and 405; `access_log`: a line for each request
//! - [`gateway`]: the claims that API Gateway verified

mod access_log;
pub mod caller;
pub mod cursor;
pub mod gateway;
pub mod layers;
pub mod parameters;
pub mod problem;
mod refused;
pub mod settings;

pub use self::caller::{Credentials, with_claims};
pub use self::cursor::Cursors;
pub use self::layers::{CorrelationId, Origins, finished};
pub use self::parameters::Parameters;
pub use self::problem::{Fault, NotAdmitted, Problem, ProblemBody};
