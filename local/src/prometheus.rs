//! `GET /metrics` in Prometheus's text format 0.0.4. The metrics of the functions have the same names as in
//! CloudWatch.
//!
//! - [`series`]: sums of the functions' metrics since the start of the process
//! - [`requests`]: the answered HTTP requests
//! - [`process`]: metrics of the process and its build
//! - [`levels`]: gauges that are read at each scrape
//!
//! No series has a tenant as a label: the page needs no key, and a tenant must not see the numbers of another
//! tenant.

mod levels;
mod process;
mod requests;
mod series;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use drover_core::base::error::{Reason, Unavailable};
use drover_core::base::metrics::emf::Lines;
use drover_core::base::metrics::{Meter, Tally};
use drover_core::base::time::Timestamp;
use drover_http::Problem;
use drover_query::counts::Tallies;
use prometheus::{Error, Registry, TextEncoder};

pub(crate) use levels::{Levels, PartitionLevel};
pub(crate) use requests::Requests;
use series::Series;

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The meter of every function of the host: it writes the lines that Lambda would write, and keeps
/// the sums.
pub(crate) struct HostMeter {
    lines: Lines,
    series: Series,
    tallies: Arc<Tallies>,
    requests: Requests,
    /// The process and the requests of the HTTP port.
    registry: Registry,
}

impl HostMeter {
    /// A meter at zero. Series that tell functions apart are there for these from the start.
    ///
    /// # Errors
    /// Two series of one name: a fault of this program.
    pub(crate) fn new(functions: &[&str], lines: Lines, now: Timestamp) -> Result<Self, Error> {
        let tallies = Arc::new(Tallies::new(now));
        let registry = Registry::new();
        process::register(&registry)?;
        let requests = Requests::register(&registry)?;
        Ok(Self { lines, series: Series::new(functions)?, tallies, requests, registry })
    }

    /// The requests of the HTTP port.
    pub(crate) fn requests(&self) -> Requests {
        self.requests.clone()
    }

    /// The counts of each tenant.
    pub(crate) fn tallies(&self) -> Arc<Tallies> {
        Arc::clone(&self.tallies)
    }
}

impl Meter for HostMeter {
    fn record(&self, function: &'static str, tally: &Tally, now: Timestamp) {
        self.lines.record(function, tally, now);
        self.series.add(function, tally);
        self.tallies.record(function, tally, now);
    }
}

/// `GET /metrics`.
pub(crate) fn routes(meter: Arc<HostMeter>, levels: Levels) -> Router {
    let page = Page { meter, levels: Arc::new(levels) };
    Router::new().route("/metrics", get(scrape)).with_state(page)
}

#[derive(Clone)]
struct Page {
    meter: Arc<HostMeter>,
    levels: Arc<Levels>,
}

async fn scrape(State(page): State<Page>) -> Response {
    match page.text().await {
        Ok(text) => ([(CONTENT_TYPE, TEXT)], text).into_response(),
        Err(error) => {
            let broken = Unavailable::new(Reason::Bug, format!("metrics: {error}"));
            Problem::unavailable(&broken).into_response()
        }
    }
}

impl Page {
    async fn text(&self) -> Result<String, Error> {
        let mut families = self.meter.series.families((self.levels.now)());
        families.extend(self.meter.registry.gather());
        families.extend(self.levels.families().await?);
        families.sort_by(|one, other| one.name().cmp(other.name()));
        TextEncoder::new().encode_to_string(&families)
    }
}
