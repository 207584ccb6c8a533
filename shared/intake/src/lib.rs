//! Intake without a transport: who calls, how much they may send, which contract applies, and what is
//! accepted. HTTP and RPC are fronts of this crate: a front reads its protocol into these types, and turns
//! results and errors back into its protocol.
//!
//! Reading order:
//! - [`error`]: why a request is refused as a whole
//! - [`caller`]: from an API key, or from claims that a gateway verified, to a tenant's scope; `scopes`: what
//!   the claims grant; [`settings`]: the variables that choose between the two
//! - [`body`]: a body as a list of events; [`Events`](body::Events) holds the bounds of one request
//! - [`submission`]: a request to its result: contract, quota, idempotency key
//! - `accept`: the events of a request to where they are durable; [`log_breaker`]: when the event log is not
//!   asked
//!
//! What [`Intake::submit`] calls accepted is in the event log, in the ledger (where there is no event log),
//! or in the buffer queue. One bad event never costs a good one.
//!
//! Left out: sockets, headers, media types and statuses, which are the fronts'. Nothing here knows a clock
//! or an environment variable; time comes from the port [`Clock`].

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

/// Everything that intake needs from outside, besides the event log. Intake sees no ledger.
pub trait IntakePorts: Documents + Requests + Buffer + DeadLetters + Clock {}

impl<W: Documents + Requests + Buffer + DeadLetters + Clock> IntakePorts for W {}

/// The intake of one warm environment. All fronts of a process share it.
pub struct Intake<W, S> {
    /// The name of the function in metrics.
    pub function: &'static str,
    /// Everything outside but the event log.
    pub ports: W,
    /// Where events go.
    pub event_log: S,
    /// Tenants, contracts and keys.
    pub registry: Registry,
    /// Who may call.
    pub gate: Gate,
    /// How much each tenant has sent.
    pub quotas: WriteQuotas,
    /// Whether the event log is left alone.
    pub log_breaker: LogBreaker,
    /// Where counts go.
    pub meter: Arc<dyn Meter>,
}

#[cfg(test)]
mod tests;
