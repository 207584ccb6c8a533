//! Tenants, and the proof of which one a caller or topic speaks for.
//!
//! A [`TenantScope`] is the only proof. Where a record or a caller comes in, a verified source (a
//! topic's route, an API key) names a tenant; with the tenant's own document the [`NamedTenant`]
//! becomes a scope, or a rejection. What a body says on its own never becomes one.

mod feeds;
mod grant;
mod key;
mod route;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::feeds::{Feed, Feeds};
pub use self::grant::KeyGrant;
pub use self::key::{ApiKey, Scope};
pub use self::route::{TenantSource, TopicRoute, Topics};
use crate::base::error::{Code, Rejection};
use crate::base::id::TenantId;
use crate::base::limits;
use crate::base::scope::TenantScope;
use crate::intake::document::{self, CompiledSchema, DocumentKind};
use crate::intake::fault::{Fault, Faults};
use crate::ledger::Policy;

static SHAPE: CompiledSchema = CompiledSchema::new(|| document::compiled(DocumentKind::Tenant));

/// A tenant that a verified source names, and whose document nobody has looked at yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedTenant(TenantId);

impl NamedTenant {
    /// The tenant of a token that the gateway in front of a function verified.
    ///
    /// # Errors
    /// `invalid_id`.
    pub fn by_gateway(claim: &str) -> Result<Self, Rejection> {
        TenantId::parse(claim).map(Self)
    }

    /// The tenant of a message in one of the system's own queues.
    pub(crate) fn by_queue(tenant: TenantId) -> Self {
        Self(tenant)
    }

    /// The name to look up.
    pub fn id(&self) -> &TenantId {
        &self.0
    }

    /// The scope, given what the registry has under that name.
    ///
    /// # Errors
    /// `unknown_tenant`, `tenant_suspended`.
    pub fn admit(self, tenant: Option<&Tenant>) -> Result<TenantScope, Rejection> {
        let Some(tenant) = tenant.filter(|tenant| tenant.id == self.0) else {
            let message = format!("no tenant has this name: tenant=`{}`", self.0);
            return Err(Rejection::new(Code::UnknownTenant, message));
        };
        match tenant.status {
            // The document's own id: whatever speaks for a tenant shares one text.
            Status::Active => Ok(TenantScope::admitted(tenant.id.clone())),
            Status::Suspended => {
                let message = format!("the tenant is suspended: tenant=`{}`", tenant.id);
                Err(Rejection::new(Code::TenantSuspended, message))
            }
        }
    }
}

/// A tenant as its document has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Its name.
    pub id: TenantId,
    /// Whether it may write and read.
    pub status: Status,
    /// Its API keys, by their hashes.
    pub keys: Vec<ApiKey>,
    /// The contract of requests that name none.
    pub default_contract: String,
    /// What it asks of new versions of its default contract.
    pub compatibility: Option<Compatibility>,
    /// How long after the watermark an event is settled.
    pub lateness_seconds: u32,
    /// How far a producer's clock may be ahead.
    pub max_future_seconds: u32,
    /// How long history is kept.
    pub retention_days: u32,
    /// `None`: no quota.
    pub quota: Option<Quota>,
    /// Where its ledger is.
    pub placement: Placement,
    /// Whether a rejected HTTP event becomes a dead letter, too.
    pub keep_rejected: bool,
    /// What others are told of its subjects.
    pub feeds: Feeds,
}

/// Whether a tenant may write and read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It may.
    #[default]
    Active,
    /// It may not.
    Suspended,
}

/// How much a tenant may send and read over HTTP. Records that come by Kafka are counted against no
/// quota; whose they are, the counts of listed tenants show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Events that it may send in the long run.
    pub events_per_second: u32,
    /// Events that it may send at once.
    pub burst: u32,
    /// Requests that it may read with in the long run, and five seconds' worth at once. `None`: no
    /// bound.
    #[serde(default = "usual_reads")]
    pub reads_per_second: Option<u32>,
    /// Bytes that these may read from tables, likewise.
    #[serde(default = "usual_read_bytes")]
    pub read_bytes_per_second: Option<u32>,
}

/// Where a tenant's ledger is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Placement {
    /// In the table that tenants share.
    #[default]
    Pooled,
    /// In a table of its own, of this name.
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

/// The document as it is written; what is absent has its default.
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
    // A null is no quota, and only absence is the default.
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
}

impl Placement {
    /// The name of a ledger table of its own.
    pub fn table(&self) -> Option<Arc<str>> {
        match self {
            Self::Pooled => None,
            Self::Table(name) => Some(Arc::from(name.as_str())),
        }
    }
}

impl Tenant {
    /// What it decided about its ledgers.
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
        if !document.rules.is_empty() {
            faults.add("/rules", "alert rules are not supported by this version");
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

const _: () = assert!(limits::KEYS == 20, "document/tenant.schema.json says the same");

#[cfg(test)]
mod tests;
