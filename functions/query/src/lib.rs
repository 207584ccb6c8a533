//! The query function: history, views, listings and health over HTTP. It never writes.
//!
//! - [`routes`]: all routes
//! - `access`: admits callers and reads for them, within their tenant and a time limit
//! - `events`, `subjects`, `measures`, `dashboard`: the routes by family; they parse parameters,
//!   read, and shape the response
//! - [`check`]: what a contract makes of records, without storing them
//! - `contracts`: contracts and their versions
//! - `alerts`: alerts
//! - `received`: alerts of other systems
//! - `rules`: alert rules and their versions
//! - `event_body`: an event in a response
//! - `newest`: merges the newest events of many subjects
//! - `collected`, `series`: points and statistics of a measure
//! - [`limits`]: every limit
//! - [`health`], [`counts`]: ports for dependencies and counts, implemented by the host
//! - [`cloudwatch`]: counts of all environments
//! - `documents`: the OpenAPI document
//! - [`config`]: read once at startup
//!
//! Left out: `/metrics`, which only the local host serves.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn;
use drover_core::ports::{
    Alerts, Clock, DeliveryRecords, Documents, Listing, ReceivedAlerts, Store,
};
use drover_http::layers::json_only;

mod access;
mod alerts;
mod answer;
pub mod check;
pub mod cloudwatch;
mod collected;
pub mod config;
mod contracts;
pub mod counts;
mod dashboard;
mod documents;
mod event_body;
mod events;
pub mod health;
pub mod limits;
mod measures;
mod newest;
mod received;
mod rules;
mod series;
mod subjects;

pub use access::Access;
use counts::Counts;
pub use documents::openapi;
use health::{Health, Probes, Process};

/// The name of this function in metrics.
pub const FUNCTION: &str = "query";

/// The ports that reading needs.
pub trait QueryPorts:
    Store + Listing + Documents + Clock + Alerts + ReceivedAlerts + DeliveryRecords
{
}

impl<W: Store + Listing + Documents + Clock + Alerts + ReceivedAlerts + DeliveryRecords> QueryPorts
    for W
{
}

/// The state of one execution environment.
pub struct Query<W, P, C> {
    /// Admits callers and reads for them.
    pub access: Access<W>,
    /// Probes of the other dependencies.
    pub probes: P,
    /// Source of counts.
    pub counts: C,
    /// Facts about this process.
    pub process: Process,
}

/// The routes of this function, without the layers of every router ([`drover_http::finished`]).
pub fn routes<W, P, C>(query: Query<W, P, C>) -> Router
where
    W: QueryPorts + 'static,
    P: Probes + 'static,
    C: Counts + 'static,
{
    let Query { access, probes, counts, process } = query;
    let access = Arc::new(access);
    let health = Health::new(Arc::clone(&access), probes, process);
    Router::new()
        .merge(events::routes(Arc::clone(&access)))
        .merge(subjects::routes(Arc::clone(&access)))
        .merge(measures::routes(Arc::clone(&access)))
        .merge(check::routes(Arc::clone(&access)))
        .merge(contracts::routes(Arc::clone(&access)))
        .merge(alerts::routes(Arc::clone(&access)))
        .merge(rules::routes(Arc::clone(&access)))
        .merge(received::routes(Arc::clone(&access)))
        .merge(dashboard::routes(access, counts))
        .merge(health::routes(health))
        .merge(documents::json())
        .route_layer(from_fn(json_only))
        .merge(documents::pages())
}
