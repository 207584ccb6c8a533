//! Ingest: the HTTP front of [`drover_intake`]. Receives events and makes them durable.
//!
//! Reading order:
//! - [`routes`]: the router
//! - [`drover_http::sent`]: reads a request
//! - `events`: `POST /api/v1/events`; [`answer`]: the bodies of answers
//! - `compat`: the routes of the replaced systems
//! - `received`: alerts of other systems; `simulated`: alerts for tests of targets
//! - `webhooks`: the handshakes of webhooks before they deliver events
//! - [`config`]: the configuration, read once at start
//!
//! In an answer with status 202, each accepted event is durable.
//!
//! Not here: the health of the system, which `query` reports for all functions.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, options, post};
use axum::{Extension, Router};
use drover_core::ports::{DeliveryRecords, EventLog, Notifications, ReceivedAlerts};
use drover_http::layers::json_only;
use drover_intake::body::SENT_BYTES;
use drover_intake::{Intake, IntakePorts};

pub mod answer;
mod compat;
pub mod config;
mod events;
mod openapi;
mod received;
mod simulated;
mod webhooks;

pub use openapi::openapi;
pub use webhooks::WebhookOrigins;
use webhooks::event_grid::Handshakes;
use webhooks::{cloud_events, event_grid};

/// The name of this function in metrics.
pub const FUNCTION: &str = "ingest";

/// The ports of this function.
pub trait IngestPorts: IntakePorts + ReceivedAlerts + DeliveryRecords + Notifications {}

impl<W: IntakePorts + ReceivedAlerts + DeliveryRecords + Notifications> IngestPorts for W {}

/// The routes of this function, without the layers that every router gets
/// ([`drover_http::finished`]).
pub fn routes<W, S>(intake: Arc<Intake<W, S>>, webhook_origins: WebhookOrigins) -> Router
where
    W: IngestPorts + 'static,
    S: EventLog + 'static,
{
    let origins = Arc::new(webhook_origins);
    let handshakes = Handshakes { intake: Arc::clone(&intake), origins: Arc::clone(&origins) };
    let events = post(events::events::<W, S>)
        .layer(from_fn_with_state(handshakes, event_grid::handshake::<W, S>));
    Router::new()
        .route("/api/v1/events", events)
        .route("/alert", post(compat::alert::<W, S>))
        .route("/api/v1/alerts/webhook", post(received::receive::<W, S>))
        .route("/simulate_alert", post(compat::simulate_alert::<W, S>))
        .route("/api/v1/alerts/simulate", post(simulated::simulate::<W, S>))
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
