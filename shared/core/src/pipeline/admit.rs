//! Turns a record into an event of a tenant, or into the reason why there is no event.
//!
//! The route of the topic names the tenant, the document of the tenant permits or denies writing, and the
//! contract parses the record. For a record from one of Drover's own queues, intake has already
//! authenticated the tenant and chosen the contract.

use std::sync::Arc;

use crate::base::error::{Code, Rejection, Unavailable};
use crate::base::excerpt::Excerpt;
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

/// The result of admitting one record.
pub(super) enum Admission {
    /// The record is one event.
    Event { event: Event, tenant: Arc<Tenant> },
    /// The contract or the route ignores the record.
    Ignored { tenant: Option<TenantId>, contract: Option<Arc<str>> },
    /// The transform of the contract or the lines of the record gave these elements: at least one.
    Elements { elements: Vec<Element>, tenant: Arc<Tenant>, contract: Arc<str> },
    /// The record never becomes an event. Tenant and contract are set if they are known.
    Rejected { rejection: Rejection, tenant: Option<TenantId>, contract: Option<Arc<str>> },
    /// The record may become an event later. The tenant is set if a trusted source has named it.
    Unavailable { unavailable: Unavailable, tenant: Option<TenantId> },
}

/// Why there is no event. The operator `?` converts both errors.
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

/// The facts about a record that are known so far.
struct Established {
    /// The tenant that a trusted source has named. It may not exist.
    named: Option<TenantId>,
    /// The tenant, if it exists.
    tenant: Option<TenantId>,
    contract: Option<Arc<str>>,
}

impl Established {
    fn ignored(&self) -> Admission {
        Admission::Ignored { tenant: self.tenant.clone(), contract: self.contract.clone() }
    }
}

/// How a record is read, and how its tenant is found.
enum Reading {
    Route(Arc<TopicRoute>),
    /// The record comes from one of Drover's own queues.
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

/// Admits records with the registry's documents.
pub(super) struct Admitter<'a, D> {
    pub(super) documents: &'a D,
    pub(super) registry: &'a Registry,
    /// Reads records in the place of the contract that their route names ([`sample`](super::sample)).
    pub(super) in_place: Option<&'a Arc<Contract>>,
    pub(super) now: Timestamp,
}

impl<D: Documents> Admitter<'_, D> {
    /// Admits a record. If a record with an owner now names another tenant, the record is rejected. The
    /// letter of a rejected record always belongs to the owner.
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
            // A route that finds the tenant in the value finds none in a tombstone.
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
        let none = || {
            let name = Excerpt(reading.contract().unwrap_or_default());
            unknown(Code::UnknownContract, format!("no contract has the name {name}"))
        };
        let found = self.contract(&reading).await?.ok_or_else(none)?;
        let contract = Arc::clone(found.name());
        let elements = match unframed.of_lines() {
            Some(record) => Some(lines::elements(&found, record?, &scope)),
            None => found.elements(parsed, &scope),
        };
        if let Some(elements) = elements {
            let elements = elements?;
            if elements.is_empty() {
                return Ok(established.ignored());
            }
            return Ok(Admission::Elements { elements, tenant, contract });
        }
        // Without a transform, the record itself is element 0 and there are no other elements.
        if parsed.record().source.element().is_some_and(|element| element > 0) {
            return Ok(established.ignored());
        }
        Ok(match found.read(parsed, &scope)? {
            Some(event) => Admission::Event { event, tenant },
            None => established.ignored(),
        })
    }

    /// Returns the named tenant if it may write and matches the owner of the record.
    async fn admit_tenant(
        &self,
        named: NamedTenant,
        owner: Option<&TenantId>,
        established: &mut Established,
    ) -> Result<(TenantScope, Arc<Tenant>), Refused> {
        if owner.is_some_and(|owner| owner != named.id()) {
            let message = "the record belongs to another tenant";
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
            Some(_) if self.in_place.is_some() => Ok(self.in_place.cloned()),
            Some(name) => self.registry.contract(name, self.now, self.documents).await,
            None => Ok(None),
        }
    }

    /// Returns the record as strict JSON if only a lenient contract can parse it. The route may read the
    /// tenant from the result.
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
        Ok(route.ok_or_else(|| {
            unknown(Code::UnknownContract, format!("no route reads this topic: topic=`{topic}`"))
        })?)
    }
}

fn unknown(code: Code, message: impl Into<String>) -> Rejection {
    Rejection::new(code, message)
}
