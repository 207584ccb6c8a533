//! What the HTTP functions have in common: who calls, what an error looks like, how a query string
//! is read, and the layers around every router. The routes themselves are the functions'.
//!
//! - [`problem`]: every error as `application/problem+json` (RFC 9457)
//! - [`caller`]: from an API key, or from claims that a gateway verified, to a tenant's scope
//! - [`cursor`]: where a long answer goes on
//! - [`parameters`]: query strings, in which a typo is an error
//! - [`settings`]: what all of them are configured with
//! - [`layers`]: correlation ids, CORS, panics, 404 and 405; `access_log`: a line for each request
//! - [`gateway`]: the claims that API Gateway verified; `scopes`: what they grant

mod access_log;
pub mod caller;
pub mod cursor;
pub mod gateway;
pub mod layers;
pub mod parameters;
pub mod problem;
mod scopes;
pub mod settings;

pub use self::caller::{
    AuthMode, Caller, Claims, Credentials, Gate, LocalKeys, counted, with_claims,
};
pub use self::cursor::Cursors;
pub use self::layers::{CorrelationId, Origins, finished};
pub use self::parameters::Parameters;
pub use self::problem::{Fault, NotAdmitted, Problem, ProblemBody};
