//! Faults of the queue of notifications and of the records of deliveries.

use super::{Call, Faulty};
use crate::base::cost::{Metered, Units};
use crate::base::error::Unavailable;
use crate::base::scope::TenantScope;
use crate::outputs::alerts::AlertId;
use crate::outputs::notifications::Look;
use crate::outputs::notifications::deliveries::{Deliveries, DeliveriesOf, DeliveryChange};
use crate::ports::{DeliveryRecords, Notifications};

impl<P: Notifications> Notifications for Faulty<P> {
    async fn send_looks(&self, looks: &[Look], delay_seconds: u32) -> Result<(), Unavailable> {
        self.call(Call::Look, self.ports.send_looks(looks, delay_seconds)).await
    }

    async fn postpone(&self, receipt_handle: &str, seconds: u32) -> Result<(), Unavailable> {
        self.call(Call::Look, self.ports.postpone(receipt_handle, seconds)).await
    }
}

impl<P: DeliveryRecords> DeliveryRecords for Faulty<P> {
    async fn deliveries(
        &self,
        tenant: &TenantScope,
        of: &DeliveriesOf,
    ) -> Result<Metered<Deliveries>, Unavailable> {
        self.call(Call::DeliveryRead, self.ports.deliveries(tenant, of)).await
    }

    async fn replace_delivery(
        &self,
        tenant: &TenantScope,
        of: &DeliveriesOf,
        change: DeliveryChange<'_>,
    ) -> Result<Metered<bool>, Unavailable> {
        self.call(Call::DeliveryWrite, self.ports.replace_delivery(tenant, of, change)).await
    }

    async fn put_simulated(
        &self,
        tenant: &TenantScope,
        id: &AlertId,
        json: &str,
        expires_at: i64,
    ) -> Result<Units, Unavailable> {
        let put = self.ports.put_simulated(tenant, id, json, expires_at);
        self.call(Call::DeliveryWrite, put).await
    }
}
