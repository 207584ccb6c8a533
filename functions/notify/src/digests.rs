//! Digests of backlogs: alerts of a backlog are added to the digest of a target that asks for one, and the digest is
//! sent when it is due.

use drover_core::base::cost::{Metered, Units};
use drover_core::base::error::{Reason, Unavailable};
use drover_core::base::metrics::{Counts, Metric};
use drover_core::base::scope::TenantScope;
use drover_core::intake::tenant::{Target, Tenant};
use drover_core::outputs::alerts::{Alert, AlertId, News};
use drover_core::outputs::notifications::deliveries::{DeliveriesOf, DeliveryChange};
use drover_core::outputs::notifications::digest::{Closed, DUE_SECONDS, Digests};
use drover_core::outputs::notifications::told::MAX_WAIT_SECONDS;
use drover_core::outputs::notifications::{Look, Notification};

use crate::looking::{Outcome, seconds};
use crate::sending::{NotSent, Sender};
use crate::{Notify, NotifyPorts};

/// How often a record is changed while others change it.
const TRIES: usize = 5;
/// How long the record of a target's digests is kept after its last change, in seconds.
const KEPT_SECONDS: i64 = 97 * 24 * 60 * 60;

impl<W: NotifyPorts, S: Sender> Notify<W, S> {
    /// Adds an alert to the digest of a target. The first one has the digest sent later.
    pub(crate) async fn add_to_digest(
        &self,
        (look, scope): (&Look, &TenantScope),
        alert: &Alert,
        units: &mut Units,
    ) -> Result<(), Unavailable> {
        let now = self.ports.now();
        let place = (scope, &*look.target);
        let (before, changed) =
            self.change_digests(place, units, |digests| digests.with(alert, now)).await?;
        // If the open digest has it already, its message may not have been sent.
        if changed.is_none() || !before.is_waiting {
            let digest = Look {
                subject: None,
                alert: AlertId::of_time(now),
                again: false,
                repeat: false,
                digest: true,
                ..look.clone()
            };
            let delay = u32::try_from(DUE_SECONDS).unwrap_or_default();
            self.ports.send_looks(&[digest], delay).await?;
        }
        Ok(())
    }

    /// Sends the digest of a target if it is due.
    pub(crate) async fn send_digest(
        &self,
        (look, scope): (&Look, &TenantScope),
        (tenant, target): (&Tenant, Option<&Target>),
        counts: &mut Counts,
    ) -> Result<Outcome, Unavailable> {
        let mut units = Units::default();
        let sent = self.try_digest((look, scope), (tenant, target), &mut units, counts).await;
        counts.add_units(units);
        sent
    }

    async fn try_digest(
        &self,
        (look, scope): (&Look, &TenantScope),
        (tenant, target): (&Tenant, Option<&Target>),
        units: &mut Units,
        counts: &mut Counts,
    ) -> Result<Outcome, Unavailable> {
        let now = self.ports.now();
        let place = (scope, &*look.target);
        let (before, begun) =
            self.change_digests(place, units, |one| one.begun(look.again, now)).await?;
        let Some(Closed { number, digest, .. }) = begun.and_then(|digests| digests.closed) else {
            return Ok(before
                .due_at()
                .map_or(Outcome::Done, |due| Outcome::Later(seconds(now, due))));
        };
        let sent = match target.filter(|target| target.digest) {
            None => Err(NotSent::Gone { reason: "the target asks for no digests".to_owned() }),
            Some(target) => {
                let id = AlertId::of_time(digest.since.unwrap_or(now));
                let news = (News::Digest, number);
                let id = Notification::id(&tenant.id, &id, news, &look.target);
                let alert = digest.to_json(&tenant.id, number);
                let (tenant, news) = (tenant.id.clone(), News::Digest);
                let notification = Notification { id, news, tenant, alert, at: now };
                self.sender.send(target, &notification).await
            }
        };
        let now = self.ports.now();
        let (reason, next) = match sent {
            Ok(()) => {
                counts.add(Metric::NotificationsSent);
                let (_, taken) = self.change_digests(place, units, |one| one.taken(number)).await?;
                return Ok(match taken.and_then(|digests| digests.due_at()) {
                    Some(due) => Outcome::Later(seconds(now, due)),
                    None => Outcome::Done,
                });
            }
            Err(NotSent::Failed { reason, wait_seconds }) => {
                let wait = wait_seconds.unwrap_or(0).min(MAX_WAIT_SECONDS);
                let failed = |one: &Digests| one.failed(number, wait, now);
                let (_, failed) = self.change_digests(place, units, failed).await?;
                // Another message goes on with it.
                let Some(failed) = failed else { return Ok(Outcome::Done) };
                (reason, failed.closed.map(|closed| closed.next_at))
            }
            Err(NotSent::Gone { reason }) => {
                self.change_digests(place, units, |one| one.given_up(number)).await?;
                (reason, None)
            }
        };
        counts.add(Metric::NotificationsFailed);
        let (tenant, target) = (&*look.tenant, &*look.target);
        tracing::warn!(tenant, target, reason, "a target did not take a digest");
        match next {
            Some(due) => Ok(Outcome::Later(seconds(now, due))),
            None => {
                self.send_letter(look, (News::Digest, number), &reason, counts).await?;
                Ok(Outcome::Done)
            }
        }
    }

    /// The digests of a target, and their stored text.
    async fn digests(
        &self,
        (scope, target): (&TenantScope, &str),
        units: &mut Units,
    ) -> Result<(Digests, Option<String>), Unavailable> {
        let read = self.ports.deliveries(scope, &DeliveriesOf::Digests(target.to_owned())).await?;
        let Metered { answer, units: paid } = read;
        *units += paid;
        let stored = answer.by_target.get(target).cloned();
        let digests = stored.as_deref().map(Digests::read).transpose()?.unwrap_or_default();
        Ok((digests, stored))
    }

    /// Changes the digests of a target. Returns them as they were before, and afterwards; `None`: nothing was to be
    /// changed.
    async fn change_digests(
        &self,
        (scope, target): (&TenantScope, &str),
        units: &mut Units,
        change: impl Fn(&Digests) -> Option<Digests> + Send,
    ) -> Result<(Digests, Option<Digests>), Unavailable> {
        for _ in 0..TRIES {
            let (digests, stored) = self.digests((scope, target), units).await?;
            let Some(changed) = change(&digests) else { return Ok((digests, None)) };
            let new = changed.stored()?;
            let expires_at = self.ports.now().plus_seconds(KEPT_SECONDS).whole_seconds();
            let change =
                DeliveryChange { target, expected: stored.as_deref(), new: &new, expires_at };
            let of = DeliveriesOf::Digests(target.to_owned());
            let replaced = self.ports.replace_delivery(scope, &of, change).await?;
            *units += replaced.units;
            if replaced.answer {
                return Ok((digests, Some(changed)));
            }
        }
        Err(Unavailable::new(Reason::Contention, "others changed the digests of this target"))
    }
}
