//! From a record of a topic to an event of a tenant, or the reason why not. The topic's route says
//! who vouches for the tenant, the tenant's document whether it may write, the contract what the
//! record says.

use std::sync::Arc;

use crate::error::{Code, Rejection, Unavailable};
use crate::event::{Event, envelope};
use crate::id::TenantId;
use crate::record::{Incoming, Record, Source};
use crate::registry::{Documents, Registry};
use crate::tenant::{Tenant, TopicRoute};
use crate::time::Timestamp;

/// How far a record came.
pub(super) enum Admission {
    /// An event, and what its tenant decided.
    Event { event: Event, tenant: Arc<Tenant> },
    /// It will never be one, with what was established until then.
    Rejected { rejection: Rejection, tenant: Option<TenantId>, contract: Option<Arc<str>> },
    /// The registry did not answer.
    Unavailable(Unavailable),
}

/// Why there is no event. `?` makes it from either of the two errors.
enum Refused {
    Rejection(Rejection),
    Unavailable(Unavailable),
}

impl From<Rejection> for Refused {
    fn from(rejection: Rejection) -> Self {
        Self::Rejection(rejection)
    }
}

impl From<Unavailable> for Refused {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable)
    }
}

/// What was established on the way.
#[derive(Default)]
struct Established {
    tenant: Option<TenantId>,
    route: Option<Arc<TopicRoute>>,
}

impl Established {
    fn contract(&self) -> Option<Arc<str>> {
        match self.route.as_deref() {
            Some(TopicRoute::Contract { contract, .. }) => Some(Arc::from(contract.as_str())),
            Some(TopicRoute::Envelope) | None => None,
        }
    }
}

pub(super) async fn admit(
    documents: &impl Documents,
    registry: &Registry,
    incoming: &Incoming,
    now: Timestamp,
) -> Admission {
    let mut established = Established::default();
    let admitted = match incoming {
        Incoming::Record(record) => {
            admit_record(documents, registry, record, now, &mut established).await
        }
        Incoming::Refused(_, rejection) => Err(Refused::Rejection(rejection.clone())),
    };
    match admitted {
        Ok((event, tenant)) => Admission::Event { event, tenant },
        Err(Refused::Unavailable(unavailable)) => Admission::Unavailable(unavailable),
        Err(Refused::Rejection(rejection)) => {
            let contract = established.contract();
            Admission::Rejected { rejection, tenant: established.tenant, contract }
        }
    }
}

async fn admit_record(
    documents: &impl Documents,
    registry: &Registry,
    record: &Record,
    now: Timestamp,
    established: &mut Established,
) -> Result<(Event, Arc<Tenant>), Refused> {
    let Source::Kafka { topic, .. } = &record.source else {
        return Err(Rejection::new(Code::UnknownContract, "only topics have routes").into());
    };
    let route = registry.topic(topic, now, documents).await?;
    let route = route.ok_or_else(|| unknown(Code::UnknownContract, "no route for this topic"))?;
    established.route = Some(Arc::clone(&route));
    let parsed = record.parsed();
    let named = route.tenant(&parsed)?;
    let tenant = registry.tenant(named.id(), now, documents).await?;
    established.tenant = tenant.as_ref().map(|tenant| tenant.id.clone());
    let scope = named.admit(tenant.as_deref())?;
    let tenant = tenant.ok_or_else(|| unknown(Code::UnknownTenant, "no tenant has this name"))?;
    let event = match &*route {
        TopicRoute::Envelope => envelope::read(&parsed, &scope)?,
        TopicRoute::Contract { contract, .. } => {
            let found = registry.contract(contract, now, documents).await?;
            let none = || unknown(Code::UnknownContract, "no contract has the name in the route");
            found.ok_or_else(none)?.read(&parsed, &scope)?
        }
    };
    Ok((event, tenant))
}

fn unknown(code: Code, message: &str) -> Rejection {
    Rejection::new(code, message)
}
