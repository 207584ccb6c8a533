//! Access to subjects. [`Access`] authenticates a caller and returns a [`Visit`], which reads for that
//! caller: only subjects of the caller's tenant, within the tenant's quota and until the deadline of the
//! request. A visit counts the cost of its reads. It implements the store and rejects all writes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use drover_core::base::cost::{Metered, Units};
use drover_core::base::error::{Reason, Unavailable};
use drover_core::base::id::{Kind, SubjectId, SubjectKey};
use drover_core::base::metrics::{Meter, Tally};
use drover_core::base::time::Timestamp;
use drover_core::event::Entry;
use drover_core::intake::contract::Contract;
use drover_core::intake::quota::{READ_UNIT_BYTES, ReadQuotas};
use drover_core::intake::tenant::Scope;
use drover_core::ledger::dialogue::WriteAnswer;
use drover_core::ledger::range_read::{HistoryRange, Portion};
use drover_core::ledger::read::{Question, Snapshot};
use drover_core::ledger::shard::Shard;
use drover_core::ledger::{LedgerWrite, PageRange, PageWrite, StoredHead, StoredPage};
use drover_core::outputs::alerts::{Alert, AlertId, AlertList, AlertPage};
use drover_core::outputs::notifications::deliveries::{Deliveries, DeliveriesOf};
use drover_core::outputs::received::{ReceivedList, ReceivedPage};
use drover_core::ports::{Clock, Listing, Store, SubjectLocation, Together};
use drover_core::registry::{Registry, StoredContract, StoredRules};
use drover_core::subject::alerts::shown::shown;
use drover_core::subject::listing::{self, Listed, Mark};
use drover_core::subject::reader;
use drover_core::view::{Specs, View};
use drover_http::{Credentials, Problem};
use drover_intake::{Caller, Gate, counted};
use serde_json::Value;

use crate::{FUNCTION, QueryPorts, limits};

/// Authenticates callers and reads for them.
pub struct Access<W> {
    /// The ports.
    pub ports: W,
    /// Cached tenants, contracts and keys.
    pub registry: Registry,
    /// Authenticates callers.
    pub gate: Gate,
    /// The read quotas of the tenants.
    pub quotas: ReadQuotas,
    /// Records the metrics.
    pub meter: Arc<dyn Meter>,
}

/// One request of an authenticated caller.
pub(crate) struct Visit<'a, W: QueryPorts> {
    access: &'a Access<W>,
    caller: Caller,
    deadline: Timestamp,
    units: Mutex<Units>,
}

impl<W: QueryPorts> Access<W> {
    /// Authenticates a caller and checks its quota.
    pub(crate) async fn admit(&self, credentials: &Credentials) -> Result<Visit<'_, W>, Problem> {
        let now = self.ports.now();
        let admitted = self
            .gate
            .admit(credentials.proof(), Scope::Read, now, &self.registry, &self.ports)
            .await;
        let caller = credentials.admitted(counted(admitted, &*self.meter, FUNCTION, now))?;
        self.quotas.take(&caller.tenant, now)?;
        let deadline = now.plus_seconds(limits::REQUEST_SECONDS);
        Ok(Visit { access: self, caller, deadline, units: Mutex::default() })
    }
}

impl<W: QueryPorts> Visit<'_, W> {
    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The bytes that were read so far, calculated from DynamoDB's read units.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a request reads some megabytes"
    )]
    pub(crate) fn read_bytes(&self) -> usize {
        (self.units().read * READ_UNIT_BYTES) as usize
    }

    fn units(&self) -> Units {
        *self.units.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a snapshot, and the specs and alert rules to fold it by. `None`: the subject does not exist.
    pub(crate) async fn snapshot(
        &self,
        subject: &SubjectId,
        question: Question,
    ) -> Result<Option<(Snapshot, Specs)>, Unavailable> {
        let location = self.location(subject);
        let (snapshot, _) = reader::read(self, &location, question).await?;
        let Some(snapshot) = snapshot else { return Ok(None) };
        let versions = Specs::default().missing(snapshot.entries());
        let Access { registry, ports, .. } = self.access;
        self.in_time()?;
        let specs = registry.folded_by(&location.key, &versions, ports.now(), ports).await?;
        Ok(Some((snapshot, specs)))
    }

    /// Reads the live view. `None`: the subject does not exist.
    pub(crate) async fn live(&self, subject: &SubjectId) -> Result<Option<View>, Unavailable> {
        let snapshot = self.snapshot(subject, Question::Live).await?;
        Ok(snapshot.map(|(snapshot, specs)| snapshot.live(&specs)))
    }

    /// Reads a part of a history. `None`: the subject does not exist.
    pub(crate) async fn range(
        &self,
        subject: &SubjectId,
        range: HistoryRange,
    ) -> Result<Option<Portion>, Unavailable> {
        Ok(reader::range(self, &self.location(subject), range).await?.0)
    }

    /// The specs of the contract versions that read these entries, without alert rules.
    pub(crate) async fn specs<'e>(
        &self,
        entries: impl IntoIterator<Item = &'e Arc<Entry>>,
    ) -> Result<Specs, Unavailable> {
        let versions = Specs::default().missing(entries);
        let Access { registry, ports, .. } = self.access;
        self.in_time()?;
        registry.specs(&versions, ports).await
    }

    /// Charges the quota of bytes for work that reads nothing from the ledger.
    pub(crate) fn charge(&self, bytes: usize) {
        self.access.quotas.charge(&self.caller.tenant, units_of(bytes), self.now());
    }

    /// A contract; `None` if no contract has this name.
    pub(crate) async fn contract(&self, name: &str) -> Result<Option<Arc<Contract>>, Unavailable> {
        let Access { registry, ports, .. } = self.access;
        registry.contract(name, ports.now(), ports).await
    }

    /// The current version of a stored contract, or the version with a number.
    pub(crate) async fn stored_contract(
        &self,
        name: &str,
        number: Option<u32>,
    ) -> Result<Option<StoredContract>, Unavailable> {
        let Access { registry, ports, .. } = self.access;
        registry.stored_contract(name, number, ports).await
    }

    /// The number of the current version of every contract, by name.
    pub(crate) async fn contracts(&self) -> Result<BTreeMap<String, u32>, Unavailable> {
        let Access { registry, ports, .. } = self.access;
        registry.contracts(ports.now(), ports).await
    }

    /// The current version of the tenant's alert rules. `None`: the tenant has none.
    pub(crate) async fn current_rules(&self) -> Result<Option<StoredRules>, Unavailable> {
        let Access { registry, ports, .. } = self.access;
        self.in_time()?;
        let stored = registry.stored_rules(self.caller.scope.tenant(), None, ports).await?;
        Ok(stored.map(|stored| self.counted_rules(stored)))
    }

    /// A version of the tenant's alert rules that is not newer than the current version.
    pub(crate) async fn rules_version(&self, number: u32) -> Result<StoredRules, Unavailable> {
        let Access { registry, ports, .. } = self.access;
        self.in_time()?;
        let stored = registry.rules_version(self.caller.scope.tenant(), number, ports).await?;
        Ok(self.counted_rules(stored))
    }

    /// The registry does not report what a read costs.
    fn counted_rules(&self, stored: StoredRules) -> StoredRules {
        let units = units_of(stored.rules.to_string().len());
        self.counted(Metered { answer: stored, units }).answer
    }

    /// All kinds of subjects.
    pub(crate) async fn kinds(&self) -> Result<Vec<Kind>, Unavailable> {
        let Access { registry, ports, .. } = self.access;
        registry.kinds(ports.now(), ports).await
    }

    /// The most recently active subjects of these kinds after a position, and whether more follow.
    pub(crate) async fn recent(
        &self,
        kinds: &[Kind],
        after: Option<&Mark>,
        limit: usize,
    ) -> Result<(Vec<Listed>, bool), Unavailable> {
        let (scope, table) = (&self.caller.scope, self.caller.tenant.placement.table());
        let shards = kinds.iter().flat_map(|kind| Shard::all(scope, kind, table.as_ref()));
        let (listed, more, _) = listing::list(self, shards.collect(), after, limit).await?;
        Ok((listed, more))
    }

    /// A page of the tenant's alerts.
    pub(crate) async fn alerts(&self, page: &AlertPage) -> Result<AlertList, Unavailable> {
        self.in_time()?;
        let list = self.access.ports.list_alerts(&self.caller.scope, page).await?;
        Ok(self.counted(list).answer)
    }

    /// A page of the alerts that other systems posted for the tenant.
    pub(crate) async fn received_alerts(
        &self,
        page: &ReceivedPage,
    ) -> Result<ReceivedList, Unavailable> {
        self.in_time()?;
        let list = self.access.ports.list_received(&self.caller.scope, page).await?;
        Ok(self.counted(list).answer)
    }

    /// What targets were told of an alert.
    pub(crate) async fn deliveries(&self, id: &AlertId) -> Result<Deliveries, Unavailable> {
        self.in_time()?;
        let of = DeliveriesOf::Alert(id.clone());
        let read = self.access.ports.deliveries(&self.caller.scope, &of).await?;
        Ok(self.counted(read).answer)
    }

    /// A page of a subject's alerts.
    pub(crate) async fn alerts_of(
        &self,
        subject: &SubjectId,
        page: &AlertPage,
    ) -> Result<AlertList, Unavailable> {
        self.in_time()?;
        let key = self.caller.scope.subject(subject.clone());
        let read = self.access.ports.alerts(&key, Timestamp::MIN).await?;
        let alerts = self.counted(read).answer.alerts.into_iter();
        Ok(page.of(alerts.map(|alert| (key.clone(), alert)).collect()))
    }

    /// An alert as JSON, with the texts of its rule.
    pub(crate) async fn shown_alert(
        &self,
        subject: &SubjectKey,
        alert: &Alert,
    ) -> Result<Value, Unavailable> {
        let Access { registry, ports, .. } = self.access;
        shown((subject, alert), registry, ports.now(), ports).await
    }

    fn location(&self, subject: &SubjectId) -> SubjectLocation {
        let key = self.caller.scope.subject(subject.clone());
        SubjectLocation { key, table: self.caller.tenant.placement.table() }
    }

    /// Whether the request may go on.
    pub(crate) fn in_time(&self) -> Result<(), Unavailable> {
        if self.now() < self.deadline {
            return Ok(());
        }
        Err(Unavailable::new(Reason::Deadline, "the request took too long"))
    }

    fn counted<T>(&self, metered: Metered<T>) -> Metered<T> {
        *self.units.lock().unwrap_or_else(PoisonError::into_inner) += metered.units;
        metered
    }
}

/// Counts and charges the reads, also if the request fails or is cancelled.
impl<W: QueryPorts> Drop for Visit<'_, W> {
    fn drop(&mut self) {
        let units = self.units();
        if units == Units::default() {
            return;
        }
        self.access.quotas.charge(&self.caller.tenant, units, self.now());
        let mut tally = Tally::default();
        tally.of(Some(self.caller.scope.tenant())).add_units(units);
        self.access.meter.record(FUNCTION, &tally, self.now());
    }
}

#[expect(clippy::cast_precision_loss, reason = "a request has a few megabytes")]
fn units_of(bytes: usize) -> Units {
    Units { read: bytes as f64 / READ_UNIT_BYTES, write: 0.0 }
}

fn no_writer() -> Unavailable {
    Unavailable::new(Reason::Misconfigured, "a reader does not write")
}

impl<W: QueryPorts> Store for Visit<'_, W> {
    async fn head(
        &self,
        location: &SubjectLocation,
    ) -> Result<Metered<Option<StoredHead>>, Unavailable> {
        self.in_time()?;
        Ok(self.counted(self.access.ports.head(location).await?))
    }

    async fn pages(
        &self,
        location: &SubjectLocation,
        range: &PageRange,
    ) -> Result<Metered<Vec<StoredPage>>, Unavailable> {
        self.in_time()?;
        Ok(self.counted(self.access.ports.pages(location, range).await?))
    }

    async fn together(
        &self,
        location: &SubjectLocation,
        key: &[u8],
    ) -> Result<Metered<Together>, Unavailable> {
        self.in_time()?;
        Ok(self.counted(self.access.ports.together(location, key).await?))
    }

    async fn seal(
        &self,
        _home: &SubjectLocation,
        _page: &PageWrite,
    ) -> Result<Metered<()>, Unavailable> {
        Err(no_writer())
    }

    async fn write(
        &self,
        _home: &SubjectLocation,
        _write: &LedgerWrite,
    ) -> Result<Metered<WriteAnswer>, Unavailable> {
        Err(no_writer())
    }
}

impl<W: QueryPorts> Clock for Visit<'_, W> {
    fn now(&self) -> Timestamp {
        self.access.ports.now()
    }

    async fn pause(&self, duration: Duration) {
        self.access.ports.pause(duration).await;
    }

    fn random(&self) -> u64 {
        self.access.ports.random()
    }
}

impl<W: QueryPorts> Listing for Visit<'_, W> {
    async fn hours(
        &self,
        shard: &Shard,
        below: Option<&str>,
        limit: usize,
    ) -> Result<Metered<Vec<String>>, Unavailable> {
        self.in_time()?;
        Ok(self.counted(self.access.ports.hours(shard, below, limit).await?))
    }
}
