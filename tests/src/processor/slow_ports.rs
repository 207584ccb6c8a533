//! Ports in memory on which ledger reads and writes take time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use drover_core::base::cost::{Metered, Units};
use drover_core::base::error::Unavailable;
use drover_core::base::id::SubjectKey;
use drover_core::base::scope::TenantScope;
use drover_core::base::time::Timestamp;
use drover_core::dead_letter::message::Message;
use drover_core::intake::document::{DocumentName, StoredDocument};
use drover_core::ledger::dialogue::WriteAnswer;
use drover_core::ledger::shard::Shard;
use drover_core::ledger::{LedgerWrite, PageRange, PageWrite, StoredHead, StoredPage};
use drover_core::memory::{Faulty, Memory};
use drover_core::outputs::alerts::{
    AlertId, AlertList, AlertPage, AlertWrite, Reflected, SubjectAlerts,
};
use drover_core::outputs::notifications::deliveries::{Deliveries, DeliveriesOf, DeliveryChange};
use drover_core::outputs::received::{ReceivedAlert, ReceivedList, ReceivedPage};
use drover_core::ports::{
    Alerts, Buffer, Clock, DeadLetters, DeliveryRecords, Documents, Listing, ReceivedAlerts, Store,
    SubjectLocation, Together,
};

/// A memory whose clock advances with ledger reads and writes. Clones share it.
#[derive(Clone)]
pub(crate) struct SlowPorts {
    pub(super) memory: Faulty<Memory>,
    pub(super) seconds_per_write: i64,
    pub(super) seconds_per_read: Arc<AtomicI64>,
}

impl SlowPorts {
    fn pass_time(&self) {
        let seconds = self.seconds_per_read.load(Ordering::Relaxed);
        let now = self.memory.now().plus_seconds(seconds);
        self.memory.state().now = now;
    }
}

impl Store for SlowPorts {
    async fn head(
        &self,
        location: &SubjectLocation,
    ) -> Result<Metered<Option<StoredHead>>, Unavailable> {
        self.pass_time();
        self.memory.head(location).await
    }

    async fn pages(
        &self,
        location: &SubjectLocation,
        range: &PageRange,
    ) -> Result<Metered<Vec<StoredPage>>, Unavailable> {
        self.pass_time();
        self.memory.pages(location, range).await
    }

    async fn together(
        &self,
        location: &SubjectLocation,
        key: &[u8],
    ) -> Result<Metered<Together>, Unavailable> {
        self.memory.together(location, key).await
    }

    async fn seal(
        &self,
        location: &SubjectLocation,
        page: &PageWrite,
    ) -> Result<Metered<()>, Unavailable> {
        self.memory.seal(location, page).await
    }

    async fn write(
        &self,
        location: &SubjectLocation,
        write: &LedgerWrite,
    ) -> Result<Metered<WriteAnswer>, Unavailable> {
        let answer = self.memory.write(location, write).await;
        let now = self.memory.now().plus_seconds(self.seconds_per_write);
        self.memory.state().now = now;
        answer
    }
}

impl Listing for SlowPorts {
    async fn hours(
        &self,
        shard: &Shard,
        below: Option<&str>,
        limit: usize,
    ) -> Result<Metered<Vec<String>>, Unavailable> {
        self.memory.hours(shard, below, limit).await
    }
}

impl Alerts for SlowPorts {
    async fn alerts(
        &self,
        subject: &SubjectKey,
        closed_from: Timestamp,
    ) -> Result<Metered<SubjectAlerts>, Unavailable> {
        self.memory.alerts(subject, closed_from).await
    }

    async fn write_alerts(
        &self,
        subject: &SubjectKey,
        expected: Option<Reflected>,
        new: Reflected,
        writes: &[AlertWrite],
        now: Timestamp,
    ) -> Result<Metered<bool>, Unavailable> {
        self.memory.write_alerts(subject, expected, new, writes, now).await
    }

    async fn list_alerts(
        &self,
        tenant: &TenantScope,
        page: &AlertPage,
    ) -> Result<Metered<AlertList>, Unavailable> {
        self.memory.list_alerts(tenant, page).await
    }
}

impl ReceivedAlerts for SlowPorts {
    async fn put_received(
        &self,
        tenant: &TenantScope,
        alerts: &[ReceivedAlert],
    ) -> Result<Units, Unavailable> {
        self.memory.put_received(tenant, alerts).await
    }

    async fn list_received(
        &self,
        tenant: &TenantScope,
        page: &ReceivedPage,
    ) -> Result<Metered<ReceivedList>, Unavailable> {
        self.memory.list_received(tenant, page).await
    }
}

impl DeadLetters for SlowPorts {
    async fn send_letters(&self, messages: &[Message]) -> Vec<Result<(), Unavailable>> {
        self.memory.send_letters(messages).await
    }
}

impl Buffer for SlowPorts {
    async fn send_buffered(&self, messages: &[Message]) -> Vec<Result<(), Unavailable>> {
        self.memory.send_buffered(messages).await
    }
}

impl Documents for SlowPorts {
    async fn document(&self, name: &DocumentName) -> Result<Option<StoredDocument>, Unavailable> {
        self.memory.document(name).await
    }
}

impl Clock for SlowPorts {
    fn now(&self) -> Timestamp {
        self.memory.now()
    }

    async fn pause(&self, duration: Duration) {
        self.memory.pause(duration).await;
    }

    fn random(&self) -> u64 {
        self.memory.random()
    }
}

impl DeliveryRecords for SlowPorts {
    async fn deliveries(
        &self,
        tenant: &TenantScope,
        of: &DeliveriesOf,
    ) -> Result<Metered<Deliveries>, Unavailable> {
        self.memory.deliveries(tenant, of).await
    }

    async fn replace_delivery(
        &self,
        tenant: &TenantScope,
        of: &DeliveriesOf,
        change: DeliveryChange<'_>,
    ) -> Result<Metered<bool>, Unavailable> {
        self.memory.replace_delivery(tenant, of, change).await
    }

    async fn put_simulated(
        &self,
        tenant: &TenantScope,
        id: &AlertId,
        json: &str,
        expires_at: i64,
    ) -> Result<Units, Unavailable> {
        self.memory.put_simulated(tenant, id, json, expires_at).await
    }
}
