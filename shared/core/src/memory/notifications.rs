//! The queue of notifications and the records of deliveries in memory.

use super::letters::{read, write};
use super::{Memory, State};
use crate::base::cost::{Metered, Units};
use crate::base::error::Unavailable;
use crate::base::scope::TenantScope;
use crate::outputs::alerts::{Alert, AlertId};
use crate::outputs::notifications::Look;
use crate::outputs::notifications::deliveries::{Deliveries, DeliveriesOf, DeliveryChange};
use crate::ports::{DeliveryRecords, Notifications};

fn place(tenant: &TenantScope, of: &DeliveriesOf) -> (String, String) {
    (tenant.tenant().to_string(), of.key().into_owned())
}

fn size(deliveries: &Deliveries) -> usize {
    let texts = deliveries.by_target.iter().map(|(target, told)| target.len() + told.len());
    100 + texts.sum::<usize>() + deliveries.simulated.as_ref().map_or(0, String::len)
}

impl Notifications for Memory {
    async fn send_looks(&self, looks: &[Look], delay_seconds: u32) -> Result<(), Unavailable> {
        self.give_way().await;
        let state = &mut *self.state();
        let due = state.now.plus_seconds(delay_seconds.into());
        let alerts: Vec<Alert> =
            state.outputs.alerts.values().filter_map(|bytes| Alert::decode(bytes)).collect();
        for look in looks {
            let alert = alerts.iter().find(|alert| alert.id == look.alert);
            let number = alert.map_or(0, |alert| alert.latest.number);
            let place = (look.alert.clone(), look.target.clone());
            state.outputs.looked_at.insert(place, number);
        }
        state.outputs.looks.extend(looks.iter().map(|look| (due, look.clone())));
        Ok(())
    }

    async fn postpone(&self, receipt_handle: &str, seconds: u32) -> Result<(), Unavailable> {
        self.give_way().await;
        self.state().outputs.postponed.push((receipt_handle.to_owned(), seconds));
        Ok(())
    }
}

impl DeliveryRecords for Memory {
    async fn deliveries(
        &self,
        tenant: &TenantScope,
        of: &DeliveriesOf,
    ) -> Result<Metered<Deliveries>, Unavailable> {
        let get = |state: &mut State| {
            let found =
                state.outputs.deliveries.get(&place(tenant, of)).cloned().unwrap_or_default();
            let bytes = size(&found);
            (found, read(bytes))
        };
        Ok(self.call(get).await)
    }

    async fn replace_delivery(
        &self,
        tenant: &TenantScope,
        of: &DeliveriesOf,
        change: DeliveryChange<'_>,
    ) -> Result<Metered<bool>, Unavailable> {
        let replace = |state: &mut State| {
            let item = state.outputs.deliveries.entry(place(tenant, of)).or_default();
            let stored = item.by_target.get(change.target).map(String::as_str);
            let is_replaced = stored == change.expected || stored == Some(change.new);
            if is_replaced {
                item.by_target.insert(change.target.to_owned(), change.new.to_owned());
            }
            let bytes = size(item);
            (is_replaced, write(bytes))
        };
        Ok(self.call(replace).await)
    }

    async fn put_simulated(
        &self,
        tenant: &TenantScope,
        id: &AlertId,
        json: &str,
        _expires_at: i64,
    ) -> Result<Units, Unavailable> {
        let put = |state: &mut State| {
            let of = DeliveriesOf::Alert(id.clone());
            let item = state.outputs.deliveries.entry(place(tenant, &of)).or_default();
            item.simulated = Some(json.to_owned());
            let bytes = size(item);
            ((), write(bytes))
        };
        Ok(self.call(put).await.units)
    }
}
