//! Routes of topics. A route names the tenant of the records: the access list of the topic vouches for a
//! header, a field or a fixed name, and ingest vouches for the tenant in its envelopes.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Compatibility, NamedTenant};
use crate::base::error::{Code, Rejection};
use crate::base::id::TenantId;
use crate::intake::contract::{Lookup, SourceDocument};
use crate::intake::document::{self, CompiledSchema, DocumentKind};
use crate::intake::envelope;
use crate::intake::fault::{self, Fault, Faults};
use crate::intake::framing::{Frame, Framing};
use crate::intake::record::Parsed;
use crate::intake::schema::child;

static SHAPE: CompiledSchema = CompiledSchema::new(|| document::compiled(DocumentKind::Topics));

/// Maximum length of a Kafka topic name.
const TOPIC_LIMIT: usize = 249;

/// The route of a topic: how its records are read.
#[derive(Clone, Debug)]
pub enum TopicRoute {
    /// Records of other producers.
    Contract {
        /// The contract of the records.
        contract: Arc<str>,
        /// The source of their tenant.
        tenant: TenantSource,
        /// Their framing.
        framing: Framing,
    },
    /// Events that ingest writes. Only ingest may write to the topic, so the tenant in the envelope is verified.
    Envelope,
}

/// The source of the tenant of a record.
#[derive(Clone, Debug)]
pub struct TenantSource(Lookup);

/// The routes of all topics.
#[derive(Clone, Debug)]
pub struct Topics {
    /// The routes by the names of their topics.
    pub topics: BTreeMap<String, TopicRoute>,
}

/// The document of a route, in `topics.json` and in the registry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct RouteDocument {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    contract: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tenant: Option<SourceDocument>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    envelope: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    compatibility: Option<Compatibility>,
    #[serde(flatten)]
    framing: Framing,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TopicsDocument {
    topics: BTreeMap<String, RouteDocument>,
}

impl TopicRoute {
    /// The tenant that the route finds for a record.
    ///
    /// # Errors
    /// `unknown_tenant` if the record names no tenant, `invalid_id`, and the fault of an unreadable body if the
    /// route reads the body.
    pub fn tenant(&self, parsed: &Parsed<'_>) -> Result<NamedTenant, Rejection> {
        match self {
            Self::Contract { tenant, .. } => tenant.read(parsed),
            Self::Envelope => {
                let tenant = envelope::tenant(parsed.json()?)?;
                Ok(NamedTenant(tenant))
            }
        }
    }
}

impl TopicRoute {
    /// The framing of the records.
    pub fn framing(&self) -> Framing {
        match self {
            Self::Contract { framing, .. } => *framing,
            Self::Envelope => Framing::default(),
        }
    }
}

impl TenantSource {
    fn read(&self, parsed: &Parsed<'_>) -> Result<NamedTenant, Rejection> {
        let json = if self.0.reads_body() { parsed.json()? } else { &Value::Null };
        let found = self.0.find(parsed, json).ok_or_else(|| {
            let missing = self.0.missing("the tenant", parsed, json);
            Rejection { code: Code::UnknownTenant, ..missing }
        })?;
        let Some(text) = found.text() else {
            let came = found.kind();
            let message =
                format!("the tenant: wanted a text of 1 to 64 of a-z, 0-9, _ and -, came {came}");
            return Err(found.rejection(Code::InvalidId, message));
        };
        TenantId::parse(&text).map(NamedTenant).map_err(|rejection| found.located(rejection))
    }
}

impl Topics {
    /// Checks a document.
    ///
    /// # Errors
    /// Every fault, with its path.
    pub fn check(document: &Value) -> Result<Self, Vec<Fault>> {
        let document: TopicsDocument = document::read(document, &SHAPE)?;
        let mut faults = Faults::default();
        let mut topics = BTreeMap::new();
        for (topic, route) in document.topics {
            let path = child("/topics", &topic);
            if !is_topic(&topic) {
                faults.add(&path, "a topic is 1 to 249 of A-Z, a-z, 0-9, ., _ and -");
            }
            if let Some(route) = compiled(&route, &path, &mut faults) {
                topics.insert(topic, route);
            }
        }
        faults.or(Some(Self { topics }))
    }

    /// Reads a stored route.
    pub(crate) fn route(stored: Value) -> Result<TopicRoute, String> {
        let route: RouteDocument =
            serde_json::from_value(stored).map_err(|fault| fault.to_string())?;
        let mut faults = Faults::default();
        let compiled = compiled(&route, "", &mut faults);
        faults.or(compiled).map_err(|faults| fault::listed(&faults))
    }
}

fn compiled(route: &RouteDocument, path: &str, faults: &mut Faults) -> Option<TopicRoute> {
    match (&route.contract, &route.tenant, route.envelope) {
        (None, None, Some(true))
            if route.framing == Framing::default() && route.compatibility.is_none() =>
        {
            Some(TopicRoute::Envelope)
        }
        (Some(contract), Some(tenant), None) => {
            let path = format!("{path}/tenant");
            let lookup = Lookup::compile(tenant, &path, faults)?;
            let constant = lookup.constant();
            if constant
                .is_some_and(|name| name.as_str().map(TenantId::parse).is_none_or(|id| id.is_err()))
            {
                faults.add(format!("{path}/const"), "a tenant is 1 to 64 of a-z, 0-9, _ and -");
                return None;
            }
            if route.framing.framing == Frame::JsonLines && lookup.reads_body() {
                let message = "with json_lines a header, the key or a const names the tenant: each line could name another";
                faults.add(path, message);
                return None;
            }
            let contract = Arc::from(contract.as_str());
            let (tenant, framing) = (TenantSource(lookup), route.framing);
            Some(TopicRoute::Contract { contract, tenant, framing })
        }
        _ => {
            faults.add(
                path,
                "a route has a contract and a tenant, or is an envelope and nothing else",
            );
            None
        }
    }
}

fn is_topic(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=TOPIC_LIMIT).contains(&name.len()) && name.bytes().all(allowed)
}
