//! The reading function over the ports of a [`Host`], called as API Gateway calls it; and its
//! situations, the files of `events/query/`.

#![expect(clippy::expect_used, reason = "a failed expectation ends its test")]

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use drover_core::base::error::{Reason, Unavailable};
use drover_core::base::metrics::{Meter, Metric, Tally};
use drover_core::base::time::Timestamp;
use drover_core::intake::quota::ReadQuotas;
use drover_core::registry::Registry;
use drover_http::gateway::{NotARequest, with_gateway_claims};
use drover_http::{Origins, finished};
use drover_intake::{AuthMode, Gate, LocalKeys};
use drover_query::counts::{Counts, Tallies};
use drover_query::health::{Probes, Process};
use drover_query::{Access, Query, routes};
use serde::Deserialize;

use crate::gateway::{self, Answer, difference_of, event};
use crate::processor::Host;
use crate::situation::{Auth, Player, Situation};

/// The API key of the local host's tenant `demo`.
pub const DEMO: &str = "drover-demo-key";
/// The API key of the local host's tenant `acme`.
pub const ACME: &str = "drover-acme-key";

/// A part of the system that does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Down {
    /// The dead-letter queue.
    DeadLetters,
    /// The buffer queue.
    Buffer,
    /// The event log.
    EventLog,
    /// The dead-letter queue, which never answers.
    Silent,
}

/// Health probes whose results a test sets.
#[derive(Clone, Default)]
pub struct Signs(Arc<Mutex<Vec<Down>>>);

impl Signs {
    /// Makes these parts fail and all others succeed.
    pub fn set(&self, down: &[Down]) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = down.to_vec();
    }

    fn sign(&self, part: Down) -> Result<(), Unavailable> {
        if self.is_set(part) {
            return Err(Unavailable::new(Reason::Unreachable, "down on demand"));
        }
        Ok(())
    }

    fn is_set(&self, part: Down) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&part)
    }
}

impl Probes for Signs {
    async fn dead_letters(&self) -> Result<(), Unavailable> {
        if self.is_set(Down::Silent) {
            std::future::pending::<()>().await;
        }
        self.sign(Down::DeadLetters)
    }

    async fn buffer(&self) -> Result<(), Unavailable> {
        self.sign(Down::Buffer)
    }

    async fn event_log(&self) -> Option<Result<(), Unavailable>> {
        Some(self.sign(Down::EventLog))
    }
}

/// Read units, by tenant.
#[derive(Default)]
pub struct Units(Mutex<Vec<(String, f64)>>);

impl Units {
    /// The read units of one tenant.
    pub fn of(&self, tenant: &str) -> f64 {
        let units = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        units.iter().filter(|(owner, _)| owner == tenant).map(|(_, units)| units).sum()
    }
}

impl Meter for Units {
    fn record(&self, _function: &'static str, tally: &Tally, _now: Timestamp) {
        let mut units = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (tenant, counts) in &tally.tenants {
            let tenant = tenant.as_ref().map(ToString::to_string).unwrap_or_default();
            units.push((tenant, counts.get(Metric::ReadUnits)));
        }
    }
}

/// One warm environment of the reading function.
pub struct Reader {
    host: Host,
    router: Router,
    /// The health probes.
    pub signs: Signs,
    /// The cost of reads.
    pub units: Arc<Units>,
}

impl Reader {
    /// Creates a reader over the ports of a host. Callers authenticate by API keys.
    pub fn over(host: &Host) -> Self {
        Self::with_mode(host, AuthMode::Key(LocalKeys::Accepted))
    }

    /// Creates a reader over the ports of a host.
    pub fn with_mode(host: &Host, mode: AuthMode) -> Self {
        let now = host.memory().state().now;
        Self::with_counts(host, mode, Tallies::new(now))
    }

    /// Creates a reader over the ports of a host, with this source of counts.
    pub fn with_counts(host: &Host, mode: AuthMode, counts: impl Counts + 'static) -> Self {
        let (signs, units) = (Signs::default(), Arc::new(Units::default()));
        let now = host.memory().state().now;
        let query = Query {
            access: Access {
                ports: host.ports(),
                registry: Registry::new(),
                gate: Gate { mode: mode.clone() },
                quotas: ReadQuotas::default(),
                meter: Arc::clone(&units) as Arc<dyn Meter>,
            },
            probes: signs.clone(),
            counts,
            process: Process { started_at: now, memory_bytes: || Some(32 << 20) },
        };
        let routes = routes(query);
        let routes = with_gateway_claims(routes, &mode);
        Self { host: host.clone(), router: finished(routes, Origins::Local), signs, units }
    }

    /// One invocation with the JSON that API Gateway sends.
    pub async fn invoke(&self, event: &str) -> Answer {
        self.deliver(event).await.expect("a request of a gateway")
    }

    /// Sends a GET request with an API key, to a target such as `/api/v1/subjects?limit=1`.
    pub async fn get(&self, key: &str, target: &str) -> Answer {
        self.invoke(&event("GET", target, &[("authorization", &format!("Bearer {key}"))])).await
    }
}

/// Reading changes nothing, so only the answer or the error is compared.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// The beginning of the error's text, if the invocation fails.
    error: Option<String>,
}

impl Player for Reader {
    const FOLDER: &'static str = "query";
    /// Earlier events are events of the processor.
    const BEFORE: &'static str = Host::FOLDER;
    type Expectation = Expectation;
    type Answer = Result<Answer, NotARequest>;

    fn with_auth(host: &Host, auth: Option<&Auth>) -> Self {
        Self::with_mode(host, Auth::mode(auth))
    }

    fn host(&self) -> &Host {
        &self.host
    }

    async fn deliver(&self, event: &str) -> Self::Answer {
        gateway::invoke(&self.router, event).await
    }

    async fn deliver_before(&self, event: &str) -> bool {
        self.host.deliver_before(event).await
    }

    fn http(answer: &Self::Answer) -> Option<Answer> {
        answer.clone().ok()
    }

    async fn difference(&self, answer: Self::Answer, one: &Situation<Self>) -> Option<String> {
        difference_of(&answer, one.http.as_ref(), one.expect.error.as_deref())
    }
}
