//! The reading function over the ports of a [`Host`], called as API Gateway calls it; and its
//! situations, the files of `events/query/`.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use base64_simd::STANDARD;
use drover_core::base::error::{Reason, Unavailable};
use drover_core::base::metrics::{Meter, Metric, Tally};
use drover_core::base::time::Timestamp;
use drover_core::intake::quota::ReadQuotas;
use drover_core::registry::Registry;
use drover_http::gateway::with_gateway_claims;
use drover_http::{AuthMode, Gate, LocalKeys, Origins, finished};
use drover_query::counts::{Counts, Tallies};
use drover_query::health::{Probes, Process};
use drover_query::{Access, Query, routes};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::gateway::{self, Answer, Expected, event};
use crate::processor::{Extra, Host, returned};
use crate::situation::{self, read_all};

/// The keys of the local host's tenants, as their documents say.
pub const DEMO: &str = "drover-demo-key";
/// The other one.
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
    /// The dead-letter queue, which says nothing at all.
    Silent,
}

/// Signs of life on demand.
#[derive(Clone, Default)]
pub struct Signs(Arc<Mutex<Vec<Down>>>);

impl Signs {
    /// From now on, these parts are down and the others are not.
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
    /// Those of one tenant.
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
    router: Router,
    /// Signs of life.
    pub signs: Signs,
    /// What reading cost.
    pub units: Arc<Units>,
}

impl Reader {
    /// Over the ports of a host, whose callers prove who they are by keys.
    pub fn over(host: &Host) -> Self {
        Self::with_mode(host, AuthMode::Key(LocalKeys::Accepted))
    }

    /// Over the ports of a host.
    pub fn with_mode(host: &Host, mode: AuthMode) -> Self {
        let now = host.memory().state().now;
        Self::with_counts(host, mode, Tallies::new(now))
    }

    /// Over the ports of a host, with counts from somewhere else.
    pub fn with_counts(host: &Host, mode: AuthMode, counts: impl Counts + 'static) -> Self {
        let (signs, units) = (Signs::default(), Arc::new(Units::default()));
        let now = host.memory().state().now;
        let is_gateway = matches!(mode, AuthMode::Jwt { .. });
        let query = Query {
            access: Access {
                ports: host.ports(),
                registry: Registry::new(),
                gate: Gate { mode },
                quotas: ReadQuotas::default(),
                meter: Arc::clone(&units) as Arc<dyn Meter>,
            },
            probes: signs.clone(),
            counts,
            process: Process { started_at: now, memory_bytes: || Some(32 << 20) },
        };
        let routes = routes(query);
        let routes = if is_gateway { with_gateway_claims(routes) } else { routes };
        Self { router: finished(routes, Origins::Local), signs, units }
    }

    /// One invocation with the JSON that API Gateway sends.
    pub async fn invoke(&self, event: &str) -> Answer {
        gateway::invoke(&self.router, event).await
    }

    /// A question with a key, in short: `/api/v1/subjects?limit=1`.
    pub async fn get(&self, key: &str, target: &str) -> Answer {
        self.invoke(&event("GET", target, &[("authorization", &format!("Bearer {key}"))])).await
    }
}

/// One request and what is expected of it.
pub type Situation = situation::Situation<Expectation>;

/// What is expected of a request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// The situation, in a sentence.
    pub about: String,
    /// What the clock shows.
    pub now: Timestamp,
    /// What the processor is given first.
    #[serde(default)]
    pub before: Vec<Before>,
    /// Documents beside those of `local/config`.
    #[serde(default)]
    pub registry: Extra,
    /// The status.
    pub status: u64,
    /// Headers that the answer has.
    #[serde(default)]
    pub headers: Map<String, Value>,
    /// What the body has, of objects the keys that are given.
    pub json: Option<Value>,
    /// Texts in the body.
    #[serde(default)]
    pub contains: Vec<String>,
}

/// What the processor is given.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Before {
    /// A situation of `events/processor/`.
    Situation(String),
    /// Records, as JSON.
    Records {
        /// Where they come from.
        topic: String,
        /// The header `tenant`.
        tenant: String,
        /// Their values.
        records: Vec<Value>,
    },
}

/// Every situation.
pub fn all() -> Vec<Situation> {
    read_all("query")
}

impl Situation {
    /// A host that was given everything that comes before.
    pub async fn host(&self) -> Host {
        let host = Host::new(self.expect.now, &self.expect.registry);
        for before in &self.expect.before {
            deliver(&host, before).await;
        }
        host
    }
}

async fn deliver(host: &Host, before: &Before) {
    let event = match before {
        Before::Situation(name) => situation::situation("processor", name).event,
        Before::Records { topic, tenant, records } => {
            kafka(topic, tenant, records, host.memory().state().now)
        }
    };
    let answer = host.deliver(&event).await;
    assert!(answer.is_ok() && returned(&answer).is_empty(), "{before:?}");
    let is_own = matches!(before, Before::Records { .. });
    assert!(!is_own || host.letter_ids().is_empty(), "rejected: {before:?}");
}

/// Lambda's Kafka event with these records, all of them of now.
pub fn kafka(topic: &str, tenant: &str, records: &[Value], now: Timestamp) -> String {
    let records = records.iter().enumerate().map(|(offset, value)| {
        json!({
            "topic": topic, "partition": 0, "offset": offset, "timestampType": "CREATE_TIME",
            "timestamp": now.micros() / 1_000,
            "value": STANDARD.encode_to_string(value.to_string()),
            "headers": [{"tenant": tenant.as_bytes()}],
        })
    });
    let mut by_partition = Map::new();
    by_partition.insert(format!("{topic}-0"), records.collect());
    let source = "arn:aws:kafka:eu-central-1:123456789012:cluster/drover/1";
    json!({"eventSource": "aws:kafka", "eventSourceArn": source, "bootstrapServers": "b:9098",
        "records": by_partition})
    .to_string()
}

impl Expectation {
    /// How an answer differs from what is expected; `None`: not at all.
    pub fn difference(&self, answer: &Answer) -> Option<String> {
        let Self { status, headers, json, contains, .. } = self;
        Expected { status: *status, headers, json: json.as_ref(), contains }.difference(answer)
    }
}
