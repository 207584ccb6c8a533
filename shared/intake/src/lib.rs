//! Intake without a transport: authentication, quotas, the choice of a contract, and the acceptance of
//! events. HTTP and RPC are fronts of this crate: a front reads its protocol into these types, and turns
//! results and errors back into its protocol.
//!
//! Reading order:
//! - [`error`]: the errors of a request as a whole
//! - [`caller`]: turns an API key or verified claims into a tenant's scope; `scopes`: the scopes that claims
//!   grant; [`settings`]: the variables of authentication
//! - [`body`]: a body as a list of events; [`Events`](body::Events) enforces the limits of one request
//! - [`submission`]: a request and its result: contract, quota, idempotency key
//! - `accept`: makes the events of a request durable; [`log_breaker`]: the circuit breaker of the event log
//!
//! An event that [`Intake::submit`] accepts is in the event log, in the ledger (if there is no event log),
//! or in the buffer queue. A bad event never costs a good one.
//!
//! Sockets, headers, media types and statuses belong to the fronts. No module reads a clock or an
//! environment variable; time comes from the port [`Clock`].

use std::sync::Arc;

use drover_core::base::metrics::Meter;
use drover_core::intake::quota::WriteQuotas;
use drover_core::ports::{Buffer, Clock, DeadLetters, Documents, Requests};
use drover_core::registry::Registry;

mod accept;
pub mod body;
pub mod caller;
pub mod error;
pub mod log_breaker;
mod scopes;
pub mod settings;
pub mod submission;

pub use self::accept::Accepted;
pub use self::caller::{AuthMode, Caller, Claims, Denied, Gate, LocalKeys, Proof, counted};
pub use self::error::IntakeError;
use self::log_breaker::LogBreaker;
pub use self::submission::{Batch, ContractName, Submission};

/// The ports of intake besides the event log. Intake has no access to the ledger.
pub trait IntakePorts: Documents + Requests + Buffer + DeadLetters + Clock {}

impl<W: Documents + Requests + Buffer + DeadLetters + Clock> IntakePorts for W {}

/// The intake of one warm environment. All fronts of a process share it.
pub struct Intake<W, S> {
    /// The name of the function in metrics.
    pub function: &'static str,
    /// The ports besides the event log.
    pub ports: W,
    /// The event log.
    pub event_log: S,
    /// Tenants, contracts and keys.
    pub registry: Registry,
    /// Authenticates callers.
    pub gate: Gate,
    /// The quotas of the tenants.
    pub quotas: WriteQuotas,
    /// The circuit breaker of the event log.
    pub log_breaker: LogBreaker,
    /// The receiver of metrics.
    pub meter: Arc<dyn Meter>,
}

#[cfg(test)]
mod tests;
