//! Handles one message: decides what to tell the target, tells it, and records how that went.
//!
//! A try is recorded before it is made, under a condition: two messages about the same news do not make it at the same
//! time, and news that may have arrived are known. What a target took is recorded afterwards. If the function stops in
//! between, the target is told again under the same id.

use std::time::Duration;

use drover_core::base::cost::{Metered, Units};
use drover_core::base::error::Unavailable;
use drover_core::base::id::TenantId;
use drover_core::base::metrics::{Counts, Metric};
use drover_core::base::scope::TenantScope;
use drover_core::base::time::Timestamp;
use drover_core::dead_letter::failed_notification::FailedNotification;
use drover_core::intake::tenant::{Status, Target, Tenant};
use drover_core::outputs::alerts::News;
use drover_core::outputs::notifications::decision::{Next, Standing, Wants, next};
use drover_core::outputs::notifications::deliveries::{DeliveriesOf, DeliveryChange};
use drover_core::outputs::notifications::told::{Content, MAX_WAIT_SECONDS};
use drover_core::outputs::notifications::{Look, Notification, Told};

use crate::alert::About;
use crate::sending::{NotSent, Sender};
use crate::slots::Slot;
use crate::{Notify, NotifyPorts};

/// When the message of a suspended tenant is looked at again, in seconds.
const SUSPENDED_SECONDS: u32 = 1_800;
/// When a message is looked at again whose tenant or target is not known, in seconds: documents are kept for a minute.
const UNKNOWN_SECONDS: u32 = 90;
/// When a message is looked at again that lost a race, in seconds.
const RACE_SECONDS: u32 = 5;
/// When a message is looked at again whose target has no slot for another try, in seconds.
const BUSY_SECONDS: u32 = 20;
/// How long a message waits for a slot.
const SLOT_TRIES: usize = 15;
const SLOT_PAUSE: Duration = Duration::from_millis(200);
/// The longest delay of a message that is sent.
const MAX_DELAY_SECONDS: i64 = 900;

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is done.
    Done,
    /// It is received again after so many seconds.
    Later(u32),
}

/// A message and what it is about.
struct Looking<'a> {
    look: &'a Look,
    scope: TenantScope,
    of: DeliveriesOf,
    tenant: &'a Tenant,
    target: Option<&'a Target>,
    about: About,
    stored: Option<String>,
    told: Told,
    /// Whether another target may believe that the alert fires: the record of it is in the same item.
    others_may_know: bool,
    units: Units,
}

impl Looking<'_> {
    /// When a simulated alert that fires ends, in seconds.
    fn ends_in(&self, now: Timestamp) -> Option<u32> {
        match &self.about {
            About::Simulated(simulated) if now < simulated.closes_at() => {
                Some(seconds(now, simulated.closes_at()))
            }
            _ => None,
        }
    }

    fn wants(&self) -> Wants {
        self.target.map_or(Wants::default(), |target| Wants {
            moved: target.moved,
            repeats: target.endpoint.forgets(),
        })
    }
}

impl<W: NotifyPorts, S: Sender> Notify<W, S> {
    /// Handles a message.
    pub(crate) async fn look(
        &self,
        (look, is_first): (&Look, bool),
        counts: &mut Counts,
    ) -> Result<Outcome, Unavailable> {
        let Some(id) = look.tenant() else { return Ok(Outcome::Done) };
        let Some(tenant) = self.registry.tenant(&id, self.ports.now(), &self.ports).await? else {
            tracing::error!(tenant = %id, is_first, "a notification is about a tenant that is not known");
            return Ok(if is_first { Outcome::Later(UNKNOWN_SECONDS) } else { Outcome::Done });
        };
        if tenant.status == Status::Suspended {
            return Ok(Outcome::Later(SUSPENDED_SECONDS));
        }
        let scope = TenantScope::by_queue(id);
        let tenant = &*tenant;
        let target = tenant.targets.iter().find(|target| target.id == look.target);
        // A document that was applied within the last minute may not be known here yet.
        if target.is_none() && is_first {
            return Ok(Outcome::Later(UNKNOWN_SECONDS));
        }
        if look.digest {
            return self.send_digest((look, &scope), (tenant, target), counts).await;
        }
        let of = DeliveriesOf::Alert(look.alert.clone());
        let Metered { answer: deliveries, mut units } = self.ports.deliveries(&scope, &of).await?;
        let about = self.about((look, &scope), &deliveries, &mut units).await?;
        let told = deliveries.told(&look.target)?;
        let stored = deliveries.by_target.get(&look.target).cloned();
        let others_may_know = deliveries.is_known_to_others(&look.target)?;
        let mut looking = Looking {
            look,
            scope,
            of,
            tenant,
            target,
            about,
            stored,
            told,
            others_may_know,
            units,
        };
        let outcome = self.decide(&mut looking, counts).await;
        counts.add_units(looking.units);
        outcome
    }

    async fn decide(
        &self,
        looking: &mut Looking<'_>,
        counts: &mut Counts,
    ) -> Result<Outcome, Unavailable> {
        let standing = self.standing(&looking.about, looking.tenant, &mut looking.units).await?;
        let now = self.ports.now();
        match next(standing, &looking.told, (looking.wants(), looking.look.again), now) {
            Next::Nothing => match looking.ends_in(now) {
                Some(seconds) => Ok(Outcome::Later(seconds)),
                None => self.digest(looking, standing).await,
            },
            Next::Wait(until) => Ok(Outcome::Later(seconds(now, until))),
            // Another message was faster, and goes on.
            Next::Repeat(_) if looking.look.repeat => Ok(Outcome::Done),
            Next::Repeat(due) => self.repeat_at(looking, due).await,
            Next::Tell(news, number) => self.tell(looking, standing, (news, number), counts).await,
        }
    }

    /// Adds an alert of a backlog to the digest of a target that asks for one, once.
    async fn digest(
        &self,
        looking: &mut Looking<'_>,
        standing: Option<Standing>,
    ) -> Result<Outcome, Unavailable> {
        let is_old = standing.is_some_and(|standing| standing.is_old);
        let is_wanted = looking.target.is_some_and(|target| target.digest);
        let is_told = looking.told.is_in_digest || looking.told.number > 0;
        let About::Alert(_, alert) = &looking.about else { return Ok(Outcome::Done) };
        if !is_old || !is_wanted || is_told {
            return Ok(Outcome::Done);
        }
        let of = (looking.look, &looking.scope);
        self.add_to_digest(of, alert, &mut looking.units).await?;
        let told = Told { is_in_digest: true, ..looking.told.clone() };
        match self.record(looking, told).await? {
            true => Ok(Outcome::Done),
            false => Ok(Outcome::Later(RACE_SECONDS)),
        }
    }

    /// Tells the target.
    async fn tell(
        &self,
        looking: &mut Looking<'_>,
        standing: Option<Standing>,
        (news, number): (News, u32),
        counts: &mut Counts,
    ) -> Result<Outcome, Unavailable> {
        let now = self.ports.now();
        let look = looking.look;
        let Some(target) = looking.target else {
            let why = "the tenant's document has no target with this name";
            return self.give_up(looking, (news, number), why, counts).await;
        };
        let off = self.switched_off((&looking.scope, target), &mut looking.units).await?;
        // A test is sent all the same.
        if let Some(off) = &off
            && !matches!(looking.about, About::Simulated(_))
        {
            let why = format!("the target is switched off: {}", off.reason);
            return self.give_up(looking, (news, number), &why, counts).await;
        }
        let Some(slot) = self.slot(&looking.tenant.id, &target.id).await else {
            let jitter = u32::try_from(self.ports.random() % 40).unwrap_or(0);
            return Ok(Outcome::Later(BUSY_SECONDS + jitter));
        };
        let alert = self.shown(&looking.about, (look, news)).await?;
        let tenant = looking.tenant.id.clone();
        let id = Notification::id(&tenant, &look.alert, (news, number), &look.target);
        let notification = Notification { id, news, tenant, alert, at: now };
        let content = standing.map(|standing| standing.content).unwrap_or_default();
        let begun = looking.told.begun((news, number), content, now);
        if !self.record(looking, begun).await? {
            return Ok(Outcome::Later(RACE_SECONDS));
        }
        let sent = self.sender.send(target, &notification).await;
        drop(slot);
        let now = self.ports.now();
        let (tenant, name) = (&*look.tenant, &*look.target);
        match sent {
            Ok(()) => {
                counts.add(Metric::NotificationsSent);
                self.record(looking, looking.told.taken(now)).await?;
                if off.is_some() {
                    self.switch((&looking.scope, target), None, &mut looking.units).await?;
                }
                self.follow(looking, standing).await
            }
            Err(NotSent::Gone { reason }) => {
                counts.add(Metric::NotificationsFailed);
                tracing::error!(tenant, target = name, reason, "a target is switched off");
                let place = (&looking.scope, target);
                self.switch(place, Some(&reason), &mut looking.units).await?;
                self.give_up(looking, (news, number), &reason, counts).await
            }
            Err(NotSent::Failed { reason, wait_seconds }) => {
                counts.add(Metric::NotificationsFailed);
                tracing::warn!(
                    tenant,
                    target = name,
                    reason,
                    "a target did not take a notification"
                );
                let failed = looking.told.failed(&reason, wait_seconds, now);
                let trying = failed.trying.clone();
                match trying.filter(|trying| !trying.is_given_up) {
                    Some(trying) => {
                        self.record(looking, failed).await?;
                        Ok(Outcome::Later(seconds(now, trying.next_at)))
                    }
                    None => self.give_up(looking, (news, number), &reason, counts).await,
                }
            }
        }
    }

    /// Waits a little for a slot for a try: a target that is fast has one soon. `None`: it has none.
    async fn slot(&self, tenant: &TenantId, target: &str) -> Option<Slot<'_>> {
        for _ in 0..SLOT_TRIES {
            let slot = self.slots.take(tenant, target);
            if slot.is_some() {
                return slot;
            }
            self.ports.pause(SLOT_PAUSE).await;
        }
        None
    }

    /// Makes a dead letter of news, and then records that they are given up.
    async fn give_up(
        &self,
        looking: &mut Looking<'_>,
        (news, number): (News, u32),
        why: &str,
        counts: &mut Counts,
    ) -> Result<Outcome, Unavailable> {
        self.send_letter(looking.look, (news, number), why, counts).await?;
        let now = self.ports.now();
        let trying = looking.told.trying.as_ref();
        let was_tried = trying.is_some_and(|trying| (trying.news, trying.number) == (news, number));
        let told = match was_tried {
            true => looking.told.given_up(why),
            // No try was made, so the target cannot know.
            false => Told {
                may_know: looking.told.may_know,
                ..looking.told.begun((news, number), Content::default(), now).given_up(why)
            },
        };
        self.record(looking, told).await?;
        Ok(Outcome::Done)
    }

    /// Makes a dead letter of news.
    pub(crate) async fn send_letter(
        &self,
        look: &Look,
        news: (News, u32),
        why: &str,
        counts: &mut Counts,
    ) -> Result<(), Unavailable> {
        let (tenant, target) = (&*look.tenant, &*look.target);
        tracing::error!(tenant, target, why, "a notification is given up");
        let letter = FailedNotification::of(look, news, why, self.ports.now()).message()?;
        for sent in self.ports.send_letters(&[letter]).await {
            sent?;
        }
        counts.add(Metric::DeadLettersSent);
        counts.add(Metric::NotificationsGivenUp);
        Ok(())
    }

    /// What follows when everything is told: a simulated alert ends, and a target that forgets is told again.
    async fn follow(
        &self,
        looking: &mut Looking<'_>,
        standing: Option<Standing>,
    ) -> Result<Outcome, Unavailable> {
        let now = self.ports.now();
        if let Some(seconds) = looking.ends_in(now) {
            return Ok(Outcome::Later(seconds));
        }
        match next(standing, &looking.told, (looking.wants(), false), now) {
            Next::Repeat(due) => self.repeat_at(looking, due).await,
            // Other news follow.
            Next::Tell(..) => Ok(Outcome::Later(1)),
            Next::Nothing | Next::Wait(_) => Ok(Outcome::Done),
        }
    }

    /// Has the target told again at this time, unless that is arranged.
    async fn repeat_at(
        &self,
        looking: &mut Looking<'_>,
        due: Timestamp,
    ) -> Result<Outcome, Unavailable> {
        if looking.told.repeats_at == Some(due) {
            return Ok(Outcome::Done);
        }
        let wait = i64::from(seconds(self.ports.now(), due)).min(MAX_DELAY_SECONDS);
        let look = Look { again: false, repeat: true, ..looking.look.clone() };
        self.ports.send_looks(&[look], u32::try_from(wait).unwrap_or_default()).await?;
        let told = Told { repeats_at: Some(due), ..looking.told.clone() };
        // If another message was faster, it arranged the same.
        self.record(looking, told).await?;
        Ok(Outcome::Done)
    }

    /// Stores what the target was told. Returns whether nobody else changed it.
    async fn record(&self, looking: &mut Looking<'_>, told: Told) -> Result<bool, Unavailable> {
        let new = told.stored()?;
        let change = DeliveryChange {
            target: &looking.look.target,
            expected: looking.stored.as_deref(),
            new: &new,
            expires_at: told.expires_at(looking.others_may_know, self.ports.now()),
        };
        let replaced = self.ports.replace_delivery(&looking.scope, &looking.of, change).await?;
        looking.units += replaced.units;
        if replaced.answer {
            looking.stored = Some(new);
            looking.told = told;
        }
        Ok(replaced.answer)
    }
}

/// The seconds until a time, rounded up: at least 1.
pub(crate) fn seconds(now: Timestamp, until: Timestamp) -> u32 {
    let micros = until.micros().saturating_sub(now.micros());
    let seconds = micros.saturating_add(999_999) / 1_000_000;
    u32::try_from(seconds.clamp(1, MAX_WAIT_SECONDS)).unwrap_or(1)
}
