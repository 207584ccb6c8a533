//! Ingest: events over HTTP into the stream.
//!
//! Reading order: [`routes`] says what is served; `events` reads a request and answers it;
//! `accept` takes the events of one request to where they are durable; `body` cuts a body into
//! events, `carried` says what goes along with each, [`rest`] says when a stream is not asked; [`answer`] is what comes back. [`config`]
//! is read once at start.
//!
//! A 202 promises that each event it calls accepted is in the stream, in the ledger (where there is
//! no stream), or in the buffer queue. One bad event never costs a good one.
//!
//! Left out: health, which `query` answers for all functions.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn;
use axum::routing::{get, post};
use drover_core::base::metrics::Meter;
use drover_core::intake::quota::WriteQuotas;
use drover_core::ports::{Buffer, Clock, DeadLetters, Documents, EventLog, Requests};
use drover_core::registry::Registry;
use drover_http::Gate;
use drover_http::layers::json_only;

mod accept;
pub mod answer;
mod body;
mod carried;
mod compat;
pub mod config;
mod events;
pub mod log_breaker;
mod openapi;
mod sent;

use log_breaker::LogBreaker;
pub use openapi::openapi;

/// The name of this function in metrics.
pub const FUNCTION: &str = "ingest";

/// What ingest needs from outside, besides the stream. It sees no ledger.
pub trait IngestPorts: Documents + Requests + Buffer + DeadLetters + Clock {}

impl<W: Documents + Requests + Buffer + DeadLetters + Clock> IngestPorts for W {}

/// One warm environment.
pub struct Ingest<W, S> {
    /// Everything outside but the stream.
    pub ports: W,
    /// Where events go.
    pub event_log: S,
    /// Tenants, contracts and keys.
    pub registry: Registry,
    /// Who may call.
    pub gate: Gate,
    /// How much each tenant has sent.
    pub quotas: WriteQuotas,
    /// Whether the stream is left alone.
    pub log_breaker: LogBreaker,
    /// Where counts go.
    pub meter: Arc<dyn Meter>,
}

/// The routes of this function, before the layers that every router has
/// ([`drover_http::finished`]).
pub fn routes<W, S>(ingest: Ingest<W, S>) -> Router
where
    W: IngestPorts + 'static,
    S: EventLog + 'static,
{
    Router::new()
        .route("/api/v1/events", post(events::events::<W, S>))
        .route("/collect", post(compat::collect::<W, S>))
        .route("/current_time", get(compat::current_time::<W, S>))
        .route("/hello", get(compat::hello))
        .route_layer(from_fn(json_only))
        .layer(DefaultBodyLimit::max(body::SENT_BYTES))
        .with_state(Arc::new(ingest))
}

#[cfg(test)]
mod tests;
