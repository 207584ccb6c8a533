//! A request with events and its result: the quota, the idempotency key, then each event.

use std::sync::Arc;

use drover_core::base::time::Timestamp;
use drover_core::intake::contract::Contract;
use drover_core::intake::request::{Claim, Claimed, IdempotencyKey};
use drover_core::intake::tenant::{Scope, Tenant};
use drover_core::ports::EventLog;
use uuid::Uuid;

use crate::accept::{Accepted, Delivery};
use crate::body::Events;
use crate::caller::{Caller, Denied, Proof, counted};
use crate::error::IntakeError;
use crate::{Intake, IntakePorts};

/// Maximum length of a contract name, in bytes.
const CONTRACT_BYTES: usize = 64;
/// Maximum length of a forwarded `traceparent`, in bytes: the W3C's version 00 has 55 characters.
const TRACEPARENT_BYTES: usize = 256;

/// The name of the contract by which the events of a request are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContractName<'a>(&'a str);

/// The events of a request and its parameters.
#[derive(Clone, Debug)]
pub struct Submission<'a> {
    /// The contract that reads the events.
    pub contract: ContractName<'a>,
    /// The events.
    pub events: &'a Events<'a>,
    /// The idempotency key.
    pub idempotency: Option<Idempotency<'a>>,
    /// The headers of each event's record.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// An idempotency key, and the content that every request with this key must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idempotency<'a> {
    /// The key as sent.
    pub key: &'a [u8],
    /// The whole content of the request, uncompressed.
    pub content: &'a [u8],
}

/// The result of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The id of the request. Requests that are repeated with the same idempotency key have the same id.
    pub id: String,
    /// When the first request with this idempotency key was received.
    pub received_at: Timestamp,
    /// One result for each event, or for each element that the contract's transform returns, in order.
    pub results: Vec<Accepted>,
}

impl<'a> ContractName<'a> {
    /// The contract that the sender requests, or else the tenant's default contract. If no contract has
    /// this name, every event is rejected as `unknown_contract`.
    ///
    /// # Errors
    /// [`IntakeError::ContractNameTooLong`]
    pub fn chosen(asked: Option<&'a str>, tenant: &'a Tenant) -> Result<Self, IntakeError> {
        let name = asked.unwrap_or(&tenant.default_contract);
        if name.len() > CONTRACT_BYTES {
            return Err(IntakeError::ContractNameTooLong {
                bytes: name.len(),
                limit: CONTRACT_BYTES,
            });
        }
        Ok(Self(name))
    }

    /// The name.
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

impl Batch {
    /// How many events or elements are durable.
    pub fn accepted(&self) -> usize {
        self.results.iter().filter(|one| matches!(one.result, Some(Ok(_)))).count()
    }

    /// How many events or elements their contract ignores.
    pub fn ignored(&self) -> usize {
        self.results.iter().filter(|one| one.result.is_none()).count()
    }
}

/// The headers of records by which a request can be followed: its correlation id, and its `traceparent`
/// unless that is too long.
pub fn tracing_headers(correlation_id: &str, traceparent: Option<&[u8]>) -> Vec<(String, Vec<u8>)> {
    let mut headers = vec![("correlation_id".to_owned(), correlation_id.as_bytes().to_vec())];
    if let Some(traceparent) = traceparent.filter(|value| value.len() <= TRACEPARENT_BYTES) {
        headers.push(("traceparent".to_owned(), traceparent.to_vec()));
    }
    headers
}

impl<W: IntakePorts, S: EventLog> Intake<W, S> {
    /// The name of the contract of a media type, which is in lower case.
    ///
    /// # Errors
    /// [`IntakeError::Unavailable`]
    pub async fn contract_of_media_type(
        &self,
        media_type: &str,
    ) -> Result<Option<String>, IntakeError> {
        let now = self.ports.now();
        Ok(self.registry.contract_of_media_type(media_type, now, &self.ports).await?)
    }

    /// The contract with this name, if it exists.
    ///
    /// # Errors
    /// [`IntakeError::Unavailable`]
    pub async fn contract(
        &self,
        name: ContractName<'_>,
    ) -> Result<Option<Arc<Contract>>, IntakeError> {
        Ok(self.registry.contract(name.as_str(), self.ports.now(), &self.ports).await?)
    }

    /// Takes this number of events from the tenant's quota.
    ///
    /// # Errors
    /// The quota is exceeded.
    pub fn within_quota(&self, caller: &Caller, events: usize) -> Result<(), IntakeError> {
        let (tenant, quota) = (caller.scope.tenant(), caller.tenant.quota);
        Ok(self.quotas.take(tenant, quota, events, self.ports.now())?)
    }

    /// Authenticates the caller of a request and checks that it may write.
    ///
    /// # Errors
    /// [`Denied`]
    pub async fn caller(&self, proof: &Proof) -> Result<Caller, Denied> {
        let (now, registry) = (self.ports.now(), &self.registry);
        let admitted = self.gate.admit(proof, Scope::Write, now, registry, &self.ports).await;
        counted(admitted, &*self.meter, self.function, now)
    }

    /// Makes the events of a request durable and returns the result of each event. Every accepted event is
    /// durable. A result without any accepted event is not an error.
    ///
    /// # Errors
    /// [`IntakeError`]. After [`IntakeError::Unavailable`], some events may be durable. The sender must retry
    /// the whole request; events that are already stored count as duplicates.
    pub async fn submit(
        &self,
        caller: &Caller,
        submission: Submission<'_>,
    ) -> Result<Batch, IntakeError> {
        let Submission { contract, events, idempotency, headers } = submission;
        self.within_quota(caller, events.texts().len())?;
        let (id, received_at) = self.identify(caller, contract, idempotency).await?;
        let delivery = Delivery {
            caller,
            contract: contract.as_str(),
            texts: events.texts(),
            request_id: Arc::from(id.as_str()),
            headers,
            received_at,
        };
        let results = self.accept(delivery).await?;
        Ok(Batch { id, received_at, results })
    }

    /// The id of a request and its time of receipt. With an idempotency key, both are those of the first
    /// request with this key.
    async fn identify(
        &self,
        caller: &Caller,
        contract: ContractName<'_>,
        idempotency: Option<Idempotency<'_>>,
    ) -> Result<(String, Timestamp), IntakeError> {
        let now = self.ports.now();
        let Some(Idempotency { key, content }) = idempotency else {
            return Ok((Uuid::new_v4().to_string(), now));
        };
        let key = IdempotencyKey::parse(key)?;
        let claim = Claim::new(&caller.scope, &key, contract.as_str(), content, now);
        let received_at = match self.ports.claim(&claim).await? {
            Claimed::First => now,
            Claimed::Before(made) if made.body == claim.made.body => made.received_at,
            Claimed::Before(_) => return Err(IntakeError::IdempotencyMismatch),
        };
        Ok((claim.request_id, received_at))
    }
}
