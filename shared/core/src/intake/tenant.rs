//! Tenants, and the proof of the tenant of a caller or topic.
//!
//! A [`TenantScope`] is the only proof. When a record or a caller enters, a verified source (the route of a
//! topic, an API key) names a tenant. With the document of the tenant, the [`NamedTenant`] becomes a scope or
//! a rejection. A name in a body alone never becomes a scope.

mod feeds;
mod grant;
mod key;
mod route;
mod targets;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::feeds::{Feed, Feeds};
pub use self::grant::KeyGrant;
pub use self::key::{ApiKey, Scope};
pub use self::route::{TenantSource, TopicRoute, Topics};
pub use self::targets::{Endpoint, SecretName, Target};
use crate::base::error::{Code, Rejection};
use crate::base::id::TenantId;
use crate::base::limits;
use crate::base::scope::TenantScope;
use crate::intake::document::{self, CompiledSchema, DocumentKind};
use crate::intake::fault::{Fault, Faults};
use crate::ledger::Policy;

static SHAPE: CompiledSchema = CompiledSchema::new(|| document::compiled(DocumentKind::Tenant));

/// A tenant that a verified source names, and whose document is not checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedTenant(TenantId);

impl NamedTenant {
    /// The tenant of a token that the gateway before a function verified.
    ///
    /// # Errors
    /// `invalid_id`.
    pub fn by_gateway(claim: &str) -> Result<Self, Rejection> {
        TenantId::parse(claim).map(Self)
    }

    /// The tenant of a message in one of the queues of this system.
    pub(crate) fn by_queue(tenant: TenantId) -> Self {
        Self(tenant)
    }

    /// The name.
    pub fn id(&self) -> &TenantId {
        &self.0
    }

    /// The scope of the tenant, with the document that the registry has for this name.
    ///
    /// # Errors
    /// `unknown_tenant`, `tenant_suspended`.
    pub fn admit(self, tenant: Option<&Tenant>) -> Result<TenantScope, Rejection> {
        let Some(tenant) = tenant.filter(|tenant| tenant.id == self.0) else {
            let message = format!("no tenant has this name: tenant=`{}`", self.0);
            return Err(Rejection::new(Code::UnknownTenant, message));
        };
        match tenant.status {
            // The id of the document, so that all scopes of a tenant share one text.
            Status::Active => Ok(TenantScope::admitted(tenant.id.clone())),
            Status::Suspended => {
                let message = format!("the tenant is suspended: tenant=`{}`", tenant.id);
                Err(Rejection::new(Code::TenantSuspended, message))
            }
        }
    }
}

/// The document of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// The name.
    pub id: TenantId,
    /// Whether the tenant may write and read.
    pub status: Status,
    /// The API keys, as hashes.
    pub keys: Vec<ApiKey>,
    /// The contract of requests that name no contract.
    pub default_contract: String,
    /// What it asks of new versions of its default contract.
    pub compatibility: Option<Compatibility>,
    /// The time from the watermark until an event is settled, in seconds.
    pub lateness_seconds: u32,
    /// Maximum lead of the clock of a producer, in seconds.
    pub max_future_seconds: u32,
    /// The retention of history, in days.
    pub retention_days: u32,
    /// The quota; `None`: no limit.
    pub quota: Option<Quota>,
    /// The table of its ledger.
    pub placement: Placement,
    /// Whether a rejected HTTP event also becomes a dead letter.
    pub keep_rejected: bool,
    /// What others are told of its subjects.
    pub feeds: Feeds,
    /// Where notifications about its alerts are sent.
    pub targets: Vec<Target>,
}

/// Whether a tenant may write and read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The tenant may write and read.
    #[default]
    Active,
    /// The tenant may neither write nor read.
    Suspended,
}

/// The limits of sending and reading over HTTP. Records from Kafka count against no quota; the counts of
/// listed tenants show their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Events per second over a long time.
    pub events_per_second: u32,
    /// Events at once.
    pub burst: u32,
    /// Reading requests per second over a long time; five times as many at once. `None`: no limit.
    #[serde(default = "usual_reads")]
    pub reads_per_second: Option<u32>,
    /// Bytes per second that these requests read from tables, likewise.
    #[serde(default = "usual_read_bytes")]
    pub read_bytes_per_second: Option<u32>,
}

/// The table of the ledger of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Placement {
    /// The table that tenants share.
    #[default]
    Pooled,
    /// A separate table with this name.
    Table(String),
}

/// What a tenant or a topic asks of the next version of a contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compatibility {
    /// It accepts every record that the current version accepts.
    Backward,
    /// The current version accepts every record that it accepts.
    Forward,
    /// Both.
    Full,
    /// Nothing.
    None,
}

/// The document. Absent fields have defaults.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TenantDocument {
    id: String,
    #[serde(default)]
    status: Status,
    #[serde(default)]
    keys: Vec<ApiKey>,
    #[serde(default = "telemetry")]
    default_contract: String,
    #[serde(default)]
    compatibility: Option<Compatibility>,
    #[serde(default = "a_minute")]
    lateness_seconds: u32,
    #[serde(default = "five_minutes")]
    max_future_seconds: u32,
    #[serde(default = "a_month")]
    retention_days: u32,
    // Null means no quota; an absent field means the default.
    #[serde(default = "usual_quota")]
    quota: Option<Quota>,
    #[serde(default)]
    placement: Placement,
    #[serde(default)]
    keep_rejected: bool,
    #[serde(default)]
    feeds: BTreeSet<Feed>,
    #[serde(default = "shared_topics")]
    feed_prefix: String,
    #[serde(default = "two_minutes")]
    idle_seconds: u32,
    #[serde(default)]
    rules: Vec<Value>,
    #[serde(default)]
    targets: Vec<Target>,
}

impl Placement {
    /// The name of the separate table, if the tenant has one.
    pub fn table(&self) -> Option<Arc<str>> {
        match self {
            Self::Pooled => None,
            Self::Table(name) => Some(Arc::from(name.as_str())),
        }
    }
}

impl Tenant {
    /// The policy of its ledgers.
    pub fn policy(&self) -> Policy {
        Policy {
            lateness_seconds: self.lateness_seconds.into(),
            max_future_seconds: self.max_future_seconds.into(),
            retention_days: self.retention_days.into(),
        }
    }

    /// Checks a document.
    ///
    /// # Errors
    /// Every fault, with its path.
    pub fn check(document: &Value) -> Result<Self, Vec<Fault>> {
        let document: TenantDocument = document::read(document, &SHAPE)?;
        let mut faults = Faults::default();
        let id = TenantId::parse(&document.id).map_err(|rejection| rejection.message);
        let id = faults.take("/id", id);
        key::check_all(&document.keys, &mut faults);
        targets::check_all(&document.targets, &mut faults);
        if !document.rules.is_empty() {
            faults.add("/rules", "alert rules are documents of their own: rules/*.json");
        }
        faults.or(id.map(|id| Self {
            id,
            status: document.status,
            keys: document.keys,
            default_contract: document.default_contract,
            compatibility: document.compatibility,
            lateness_seconds: document.lateness_seconds,
            max_future_seconds: document.max_future_seconds,
            retention_days: document.retention_days,
            quota: document.quota,
            placement: document.placement,
            keep_rejected: document.keep_rejected,
            feeds: Feeds {
                enabled: document.feeds,
                prefix: document.feed_prefix,
                idle_seconds: document.idle_seconds,
            },
            targets: document.targets,
        }))
    }
}

fn telemetry() -> String {
    "telemetry".to_owned()
}

fn shared_topics() -> String {
    Feeds::SHARED_PREFIX.to_owned()
}

const fn two_minutes() -> u32 {
    Feeds::IDLE_SECONDS
}

const fn a_minute() -> u32 {
    60
}

const fn five_minutes() -> u32 {
    300
}

const fn a_month() -> u32 {
    30
}

#[expect(clippy::unnecessary_wraps, reason = "serde asks for the type of the field")]
const fn usual_quota() -> Option<Quota> {
    Some(Quota {
        events_per_second: 1_000,
        burst: 5_000,
        reads_per_second: usual_reads(),
        read_bytes_per_second: usual_read_bytes(),
    })
}

#[expect(clippy::unnecessary_wraps, reason = "serde asks for the type of the field")]
const fn usual_reads() -> Option<u32> {
    Some(200)
}

#[expect(clippy::unnecessary_wraps, reason = "serde asks for the type of the field")]
const fn usual_read_bytes() -> Option<u32> {
    Some(20_000_000)
}

const _: () = assert!(
    limits::KEYS == 20 && limits::TARGETS == 20 && limits::TARGET_ID_BYTES == 64,
    "document/tenant.schema.json says the same"
);

#[cfg(test)]
mod tests;
