//! Ingest: events over HTTP into the stream.
//!
//! The HTTP front of [`drover_intake`]. Reading order: [`routes`] says what is served; `events` answers a
//! request, which [`drover_http::sent`] reads; [`answer`] is the body of the answer; `compat` has the routes of
//! the replaced systems; `webhooks` answers senders that ask whether they may deliver events here.
//! [`config`] is read once at start.
//!
//! A 202 promises that each event it calls accepted is durable.
//!
//! Left out: health, which `query` answers for all functions.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, options, post};
use axum::{Extension, Router};
use drover_core::ports::EventLog;
use drover_http::layers::json_only;
use drover_intake::body::SENT_BYTES;
use drover_intake::{Intake, IntakePorts};

pub mod answer;
mod compat;
pub mod config;
mod events;
mod openapi;
mod webhooks;

pub use openapi::openapi;
pub use webhooks::WebhookOrigins;
use webhooks::event_grid::Handshakes;
use webhooks::{cloud_events, event_grid};

/// The name of this function in metrics.
pub const FUNCTION: &str = "ingest";

/// The routes of this function, before the layers that every router has
/// ([`drover_http::finished`]).
pub fn routes<W, S>(intake: Arc<Intake<W, S>>, webhook_origins: WebhookOrigins) -> Router
where
    W: IntakePorts + 'static,
    S: EventLog + 'static,
{
    let origins = Arc::new(webhook_origins);
    let handshakes = Handshakes { intake: Arc::clone(&intake), origins: Arc::clone(&origins) };
    let events = post(events::events::<W, S>)
        .layer(from_fn_with_state(handshakes, event_grid::handshake::<W, S>));
    Router::new()
        .route("/api/v1/events", events)
        .route("/collect", post(compat::collect::<W, S>))
        .route("/current_time", get(compat::current_time::<W, S>))
        .route("/hello", get(compat::hello))
        .route_layer(from_fn(json_only))
        .route("/api/v1/events", options(cloud_events::handshake).layer(Extension(origins)))
        .layer(DefaultBodyLimit::max(SENT_BYTES))
        .with_state(intake)
}

#[cfg(test)]
mod tests;
