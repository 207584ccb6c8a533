//! Query: history, views, listings and health over HTTP. It never writes.
//!
//! Reading order: [`routes`] says what is served; `access` lets callers in and reads for them, within
//! their tenant and a time limit; `events`, `subjects`, `measures` and `dashboard` are the routes,
//! one file for each family: they parse parameters, ask, and shape what comes back; `event_body` is
//! an event in an answer. `newest` merges
//! the events of many subjects, `collected` and `series` are what readings become, [`limits`] every bound. [`health`] and
//! [`counts`] answer for the parts of the system, through ports that the host gives; `documents` is
//! about the routes themselves. [`cloudwatch`] has counts of all environments. [`config`] is read once at start.
//!
//! Left out: alert routes, which come with alert rules, and `/metrics`, which the local host has
//! alone.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn;
use drover_core::ports::{Clock, Documents, Listing, Store};
use drover_http::layers::json_only;

mod access;
mod answer;
pub mod cloudwatch;
mod collected;
pub mod config;
pub mod counts;
mod dashboard;
mod documents;
mod event_body;
mod events;
pub mod health;
pub mod limits;
mod measures;
mod newest;
mod series;
mod subjects;

pub use access::Access;
use counts::Counts;
pub use documents::openapi;
use health::{Health, Probes, Process};

/// The name of this function in metrics.
pub const FUNCTION: &str = "query";

/// What reading needs from outside.
pub trait QueryPorts: Store + Listing + Documents + Clock {}

impl<W: Store + Listing + Documents + Clock> QueryPorts for W {}

/// One warm environment.
pub struct Query<W, P, C> {
    /// Who may read, and how.
    pub access: Access<W>,
    /// Signs of life of the other parts.
    pub probes: P,
    /// What was counted.
    pub counts: C,
    /// What this process knows about itself.
    pub process: Process,
}

/// The routes of this function, before the layers that every router has
/// ([`drover_http::finished`]).
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
        .merge(dashboard::routes(access, counts))
        .merge(health::routes(health))
        .merge(documents::json())
        .route_layer(from_fn(json_only))
        .merge(documents::pages())
}
