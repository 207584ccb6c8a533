//! From a record to an event of a tenant, or the reason why not. The topic's route says who vouches
//! for the tenant, the tenant's document whether it may write, the contract what the record says. Of
//! what waited in a queue of the system's own, the tenant was established before.

use std::sync::Arc;

use crate::base::error::{Code, Rejection, Unavailable};
use crate::base::id::TenantId;
use crate::base::scope::TenantScope;
use crate::base::time::Timestamp;
use crate::event::Event;
use crate::intake::contract::{Contract, Element, Syntax};
use crate::intake::envelope;
use crate::intake::framing::Framing;
use crate::intake::lines;
use crate::intake::record::{Incoming, Parsed, Record, Source};
use crate::intake::tenant::{NamedTenant, Tenant, TopicRoute};
use crate::ports::Documents;
use crate::registry::Registry;

/// How far a record came.
pub(super) enum Admission {
    /// An event, and what its tenant decided.
    Event { event: Event, tenant: Arc<Tenant> },
    /// Its contract or its route ignores it.
    Ignored { tenant: Option<TenantId>, contract: Option<Arc<str>> },
    /// What its contract's transform or its lines give: at least one element.
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

impl Established {
    fn ignored(&self) -> Admission {
        Admission::Ignored { tenant: self.tenant.clone(), contract: self.contract.clone() }
    }
}

/// How a record is read, and who vouches for its tenant.
enum Reading {
    Route(Arc<TopicRoute>),
    /// It waited in a queue of the system's own.
    Sent {
        tenant: TenantId,
        contract: Arc<str>,
    },
}

impl Reading {
    fn framing(&self) -> Framing {
        match self {
            Self::Route(route) => route.framing(),
            Self::Sent { .. } => Framing::default(),
        }
    }

    fn tenant(&self, parsed: &Parsed<'_>) -> Result<NamedTenant, Rejection> {
        match self {
            Self::Route(route) => route.tenant(parsed),
            Self::Sent { tenant, .. } => Ok(NamedTenant::by_queue(tenant.clone())),
        }
    }

    fn is_envelope(&self) -> bool {
        matches!(self, Self::Route(route) if matches!(**route, TopicRoute::Envelope))
    }

    fn contract(&self) -> Option<&str> {
        match self {
            Self::Sent { contract, .. } => Some(contract),
            Self::Route(route) => match &**route {
                TopicRoute::Contract { contract, .. } => Some(contract),
                TopicRoute::Envelope => None,
            },
        }
    }
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
        let reading = self.find_reading(incoming, established).await?;
        let framing = reading.framing();
        let unframed = framing.unframed(incoming.record());
        let parsed = unframed.parsed();
        let relaxed = self.relaxed(&reading, &parsed).await?;
        let relaxed = relaxed.as_ref().map(Record::parsed);
        let parsed = relaxed.as_ref().unwrap_or(&parsed);
        let ignored = framing.ignores(parsed.record());
        let named = match reading.tenant(parsed) {
            Ok(named) => named,
            // The tenant of a tombstone may be unknown, if the route finds tenants in values.
            Err(_) if ignored => return Ok(established.ignored()),
            Err(rejection) => return Err(rejection.into()),
        };
        let (scope, tenant) = self.admit_tenant(named, owner, established).await?;
        if ignored {
            return Ok(established.ignored());
        }
        if reading.is_envelope() {
            return Ok(Admission::Event { event: envelope::read(parsed, &scope)?, tenant });
        }
        let none = || unknown(Code::UnknownContract, "no contract has this name");
        let found = self.contract(&reading).await?.ok_or_else(none)?;
        let contract = Arc::clone(found.name());
        let elements = match unframed.of_lines() {
            Some(record) => Some(lines::elements(&found, record?, &scope)),
            None => found.elements(parsed, &scope),
        };
        if let Some(elements) = elements {
            let elements = elements?;
            return Ok(match elements.is_empty() {
                true => established.ignored(),
                false => Admission::Elements { elements, tenant, contract },
            });
        }
        // A record without a transform is its own first element, and has no other.
        if parsed.record().source.element().is_some_and(|element| element > 0) {
            return Ok(established.ignored());
        }
        Ok(match found.read(parsed, &scope)? {
            Some(event) => Admission::Event { event, tenant },
            None => established.ignored(),
        })
    }

    /// The tenant that was named, if it may write and the record is nobody else's.
    async fn admit_tenant(
        &self,
        named: NamedTenant,
        owner: Option<&TenantId>,
        established: &mut Established,
    ) -> Result<(TenantScope, Arc<Tenant>), Refused> {
        if owner.is_some_and(|owner| owner != named.id()) {
            let message = "the record was established as another tenant's before";
            return Err(unknown(Code::TenantMismatch, message).into());
        }
        established.named = Some(named.id().clone());
        let tenant = self.registry.tenant(named.id(), self.now, self.documents).await?;
        if let Some(tenant) = &tenant {
            established.tenant = Some(tenant.id.clone());
        }
        let scope = named.admit(tenant.as_deref())?;
        let none = || unknown(Code::UnknownTenant, "no tenant has this name");
        Ok((scope, tenant.ok_or_else(none)?))
    }

    /// How a record is read, and who vouches for its tenant.
    async fn find_reading(
        &self,
        incoming: &Incoming,
        established: &mut Established,
    ) -> Result<Reading, Refused> {
        let route = match incoming {
            Incoming::Refused(_, rejection) => return Err(rejection.clone().into()),
            Incoming::Sent { tenant, contract, .. } => {
                established.contract = Some(Arc::clone(contract));
                let contract = Arc::clone(contract);
                return Ok(Reading::Sent { tenant: tenant.clone(), contract });
            }
            Incoming::Event(_) => Arc::new(TopicRoute::Envelope),
            Incoming::Record(record) => self.route(record).await?,
        };
        if let TopicRoute::Contract { contract, .. } = &*route {
            established.contract = Some(Arc::clone(contract));
        }
        Ok(Reading::Route(route))
    }

    async fn contract(&self, reading: &Reading) -> Result<Option<Arc<Contract>>, Unavailable> {
        match reading.contract() {
            Some(name) => self.registry.contract(name, self.now, self.documents).await,
            None => Ok(None),
        }
    }

    /// The record as its contract reads it, where it is JSON to its contract only. The route may have to
    /// find a tenant in it.
    async fn relaxed(
        &self,
        reading: &Reading,
        parsed: &Parsed<'_>,
    ) -> Result<Option<Record>, Unavailable> {
        let Some(record) = parsed.without_bare_words() else { return Ok(None) };
        let contract = self.contract(reading).await?;
        Ok(contract.filter(|contract| contract.syntax() == Syntax::Lenient).map(|_| record))
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
