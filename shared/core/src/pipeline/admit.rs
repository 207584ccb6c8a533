//! From a record to an event of a tenant, or the reason why not. The topic's route says who vouches
//! for the tenant, the tenant's document whether it may write, the contract what the record says. Of
//! what waited in a queue of the system's own, the tenant was established before.

use std::sync::Arc;

use crate::base::error::{Code, Rejection, Unavailable};
use crate::base::id::TenantId;
use crate::base::time::Timestamp;
use crate::event::Event;
use crate::intake::contract::Element;
use crate::intake::envelope;
use crate::intake::record::{Incoming, Parsed, Record, Source};
use crate::intake::tenant::{NamedTenant, Tenant, TopicRoute};
use crate::ports::Documents;
use crate::registry::Registry;

/// How far a record came.
pub(super) enum Admission {
    /// An event, and what its tenant decided.
    Event { event: Event, tenant: Arc<Tenant> },
    /// What its contract's transform made of it: several events or none.
    Elements { elements: Vec<Element>, tenant: Arc<Tenant>, contract: Arc<str> },
    /// It will never be one, with what was established until then.
    Rejected { rejection: Rejection, tenant: Option<TenantId>, contract: Option<Arc<str>> },
    /// It may be one later, with the tenant that it was named as far as anybody vouches for that.
    Unavailable { unavailable: Unavailable, tenant: Option<TenantId> },
}

/// Why there is no event. `?` makes it from either of the two errors.
#[derive(Debug)]
pub(super) enum Refused {
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
struct Established {
    /// Who vouches for the record named this tenant, of which nobody knows yet whether it exists.
    named: Option<TenantId>,
    tenant: Option<TenantId>,
    contract: Option<Arc<str>>,
}

/// How a record is read.
enum Reading {
    Envelope,
    Contract(Arc<str>),
}

/// Where admitting asks.
pub(super) struct Admitter<'a, D> {
    pub(super) documents: &'a D,
    pub(super) registry: &'a Registry,
    pub(super) now: Timestamp,
}

impl<D: Documents> Admitter<'_, D> {
    /// A record that has an owner is nobody else's, whatever its route or its body says by now, and the
    /// letter of its rejection is the owner's.
    pub(super) async fn admit(&self, incoming: &Incoming, owner: Option<&TenantId>) -> Admission {
        let mut established =
            Established { named: owner.cloned(), tenant: owner.cloned(), contract: None };
        match self.read(incoming, owner, &mut established).await {
            Ok(admission) => admission,
            Err(Refused::Unavailable(unavailable)) => {
                Admission::Unavailable { unavailable, tenant: established.named }
            }
            Err(Refused::Rejection(rejection)) => {
                let Established { tenant, contract, .. } = established;
                Admission::Rejected { rejection, tenant, contract }
            }
        }
    }

    async fn read(
        &self,
        incoming: &Incoming,
        owner: Option<&TenantId>,
        established: &mut Established,
    ) -> Result<Admission, Refused> {
        let Self { documents, registry, now } = *self;
        let record = incoming.record();
        let parsed = record.parsed();
        let (named, reading) = self.find_reading(incoming, &parsed, established).await?;
        if owner.is_some_and(|owner| owner != named.id()) {
            let message = "the record was established as another tenant's before";
            return Err(unknown(Code::TenantMismatch, message).into());
        }
        established.named = Some(named.id().clone());
        let tenant = registry.tenant(named.id(), now, documents).await?;
        if let Some(tenant) = &tenant {
            established.tenant = Some(tenant.id.clone());
        }
        let scope = named.admit(tenant.as_deref())?;
        let none = || unknown(Code::UnknownTenant, "no tenant has this name");
        let tenant = tenant.ok_or_else(none)?;
        let contract = match reading {
            Reading::Envelope => {
                return Ok(Admission::Event { event: envelope::read(&parsed, &scope)?, tenant });
            }
            Reading::Contract(contract) => contract,
        };
        let found = registry.contract(&contract, now, documents).await?;
        let none = || unknown(Code::UnknownContract, "no contract has this name");
        let found = found.ok_or_else(none)?;
        if let Some(elements) = found.elements(&parsed, &scope) {
            return Ok(Admission::Elements { elements: elements?, tenant, contract });
        }
        // A record without a transform is its own first element, and has no other.
        if record.source.element().is_some_and(|element| element > 0) {
            return Ok(Admission::Elements { elements: Vec::new(), tenant, contract });
        }
        Ok(Admission::Event { event: found.read(&parsed, &scope)?, tenant })
    }

    /// Who vouches for the tenant of a record, and how it is read.
    async fn find_reading(
        &self,
        incoming: &Incoming,
        parsed: &Parsed<'_>,
        established: &mut Established,
    ) -> Result<(NamedTenant, Reading), Refused> {
        let route = match incoming {
            Incoming::Refused(_, rejection) => return Err(rejection.clone().into()),
            Incoming::Sent { tenant, contract, .. } => {
                established.contract = Some(Arc::clone(contract));
                let named = NamedTenant::by_queue(tenant.clone());
                return Ok((named, Reading::Contract(Arc::clone(contract))));
            }
            Incoming::Event(_) => Arc::new(TopicRoute::Envelope),
            Incoming::Record(record) => self.route(record).await?,
        };
        let reading = match &*route {
            TopicRoute::Envelope => Reading::Envelope,
            TopicRoute::Contract { contract, .. } => {
                established.contract = Some(Arc::clone(contract));
                Reading::Contract(Arc::clone(contract))
            }
        };
        Ok((route.tenant(parsed)?, reading))
    }

    async fn route(&self, record: &Record) -> Result<Arc<TopicRoute>, Refused> {
        let Source::Kafka { topic, .. } = &record.source else {
            return Err(unknown(Code::UnknownContract, "only topics have routes").into());
        };
        let route = self.registry.topic(topic, self.now, self.documents).await?;
        Ok(route.ok_or_else(|| unknown(Code::UnknownContract, "no route for this topic"))?)
    }
}

fn unknown(code: Code, message: &str) -> Rejection {
    Rejection::new(code, message)
}
