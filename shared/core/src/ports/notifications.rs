//! The ports of notifications: the queue, and the records of deliveries.

use std::future::Future;

use crate::base::cost::{Metered, Units};
use crate::base::error::Unavailable;
use crate::base::scope::TenantScope;
use crate::outputs::alerts::AlertId;
use crate::outputs::notifications::Look;
use crate::outputs::notifications::deliveries::{Deliveries, DeliveriesOf, DeliveryChange};

/// The queue of notifications.
pub trait Notifications: Send + Sync {
    /// Sends messages, which are received after at most 900 seconds. After an error, some may have been sent; all can
    /// be sent again.
    fn send_looks(
        &self,
        looks: &[Look],
        delay_seconds: u32,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;

    /// Has a message that is being handled received again after so many seconds, at most 12 hours, and not before. An
    /// error means that it is received again after the queue's own time.
    fn postpone(
        &self,
        receipt_handle: &str,
        seconds: u32,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;
}

/// Stores what targets were told.
pub trait DeliveryRecords: Send + Sync {
    /// Reads the records of an item, strongly consistent. 1 read unit.
    fn deliveries(
        &self,
        tenant: &TenantScope,
        of: &DeliveriesOf,
    ) -> impl Future<Output = Result<Metered<Deliveries>, Unavailable>> + Send;

    /// Replaces the record of one target, if the expected one is stored. Returns whether it did. If the new one is
    /// stored already, it counts as replaced. 1 write unit for each KB of the item.
    fn replace_delivery(
        &self,
        tenant: &TenantScope,
        of: &DeliveriesOf,
        change: DeliveryChange<'_>,
    ) -> impl Future<Output = Result<Metered<bool>, Unavailable>> + Send;

    /// Stores a simulated alert. 1 write unit.
    fn put_simulated(
        &self,
        tenant: &TenantScope,
        id: &AlertId,
        json: &str,
        expires_at: i64,
    ) -> impl Future<Output = Result<Units, Unavailable>> + Send;
}
