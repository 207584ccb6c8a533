//! Switches of targets: a target that asks for no more notifications is switched off, until its document is another one
//! or a test arrives.

use drover_core::base::cost::Units;
use drover_core::base::error::Unavailable;
use drover_core::base::scope::TenantScope;
use drover_core::event::digest;
use drover_core::intake::tenant::Target;
use drover_core::outputs::notifications::deliveries::{DeliveriesOf, DeliveryChange, SwitchedOff};

use crate::sending::Sender;
use crate::{Notify, NotifyPorts};

/// How long the record of a switch is kept, in seconds.
const KEPT_SECONDS: i64 = 400 * 24 * 60 * 60;

impl<W: NotifyPorts, S: Sender> Notify<W, S> {
    /// Since when and why a target is switched off; `None`: it is on.
    pub(crate) async fn switched_off(
        &self,
        (scope, target): (&TenantScope, &Target),
        units: &mut Units,
    ) -> Result<Option<SwitchedOff>, Unavailable> {
        let read = self.ports.deliveries(scope, &DeliveriesOf::Switches).await?;
        *units += read.units;
        let stored = read.answer.by_target.get(&target.id);
        let off = stored.map(|stored| SwitchedOff::read(stored)).transpose()?;
        Ok(off.filter(|off| is_off(off, target)))
    }

    /// Switches a target off for this reason, or on.
    pub(crate) async fn switch(
        &self,
        (scope, target): (&TenantScope, &Target),
        off: Option<&str>,
        units: &mut Units,
    ) -> Result<(), Unavailable> {
        let (of, now) = (DeliveriesOf::Switches, self.ports.now());
        let read = self.ports.deliveries(scope, &of).await?;
        let stored = read.answer.by_target.get(&target.id).map(String::as_str);
        let (since, reason) = (off.map(|_| now), off.unwrap_or_default().to_owned());
        let new = SwitchedOff { since, reason, document: document(target) }.stored()?;
        let expires_at = now.plus_seconds(KEPT_SECONDS).whole_seconds();
        let change = DeliveryChange { target: &target.id, expected: stored, new: &new, expires_at };
        // If another message was faster, it wrote the same.
        let replaced = self.ports.replace_delivery(scope, &of, change).await?;
        *units += read.units;
        *units += replaced.units;
        Ok(())
    }
}

/// Whether a record says that this target is off.
pub(crate) fn is_off(record: &SwitchedOff, target: &Target) -> bool {
    record.since.is_some() && record.document == document(target)
}

/// A digest of a target's document: another document is another target.
fn document(target: &Target) -> String {
    digest(&[format!("{target:?}").as_bytes()])
}
