//! Ingest: events over HTTP into the stream.
//!
//! The HTTP front of [`drover_intake`]. Reading order: [`routes`] says what is served; `sent` reads a request;
//! `carried` gives the headers of its records; `events` answers it, [`answer`] is the body of the answer; `compat` has the routes of the replaced systems.
//! [`config`] is read once at start.
//!
//! A 202 promises that each event it calls accepted is durable.
//!
//! Left out: health, which `query` answers for all functions.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn;
use axum::routing::{get, post};
use drover_core::ports::EventLog;
use drover_http::layers::json_only;
use drover_intake::body::SENT_BYTES;
use drover_intake::{Intake, IntakePorts};

pub mod answer;
mod carried;
mod compat;
pub mod config;
mod events;
mod openapi;
mod sent;

pub use openapi::openapi;

/// The name of this function in metrics.
pub const FUNCTION: &str = "ingest";

/// The routes of this function, before the layers that every router has
/// ([`drover_http::finished`]).
pub fn routes<W, S>(intake: Arc<Intake<W, S>>) -> Router
where
    W: IntakePorts + 'static,
    S: EventLog + 'static,
{
    Router::new()
        .route("/api/v1/events", post(events::events::<W, S>))
        .route("/collect", post(compat::collect::<W, S>))
        .route("/current_time", get(compat::current_time::<W, S>))
        .route("/hello", get(compat::hello))
        .route_layer(from_fn(json_only))
        .layer(DefaultBodyLimit::max(SENT_BYTES))
        .with_state(intake)
}

#[cfg(test)]
mod tests;
