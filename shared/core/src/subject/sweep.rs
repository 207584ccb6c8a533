//! The sweep: looks at the subjects whose timers are due, by [`looking`]. Run it every minute.
//!
//! A sweep takes the lease and goes from the cursor to the newest minute that may be swept. It finishes a
//! minute before it moves the cursor, so a sweep that was off catches up, and a sweep that stops anywhere is
//! continued by the next one. Whatever is done twice is harmless: a second touch finds nothing to do, and
//! timers change only if they are as they were read.
//!
//! A failure of one subject or one tenant moves their timers ahead and delays nobody else. A failure that
//! concerns everyone, such as that of the shared ledger table, ends the sweep: its timers stay due.

mod tally;

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::base::cost::Units;
use crate::base::error::{Extent, Reason, Unavailable};
use crate::base::id::TenantId;
use crate::base::limits::ItemLimits;
use crate::base::time::Timestamp;
use crate::intake::tenant::{Status, Tenant};
use crate::ledger::Head;
use crate::ledger::codec::decode_head;
use crate::ledger::dialogue::CommitParams;
use crate::ledger::read::broken;
use crate::ledger::touch::Touch;
use crate::outputs::TenantOutputs;
use crate::outputs::alerts::effect::next_look_of;
use crate::outputs::timers::looking::{self, Look};
use crate::outputs::timers::sweeping::SweepState;
use crate::outputs::timers::{Minute, Partition, SHARDS, Timer, TimerKind};
use crate::pipeline::subject::{carry, touch};
use crate::ports::{Ports, SubjectLocation, Timers};
use crate::registry::Registry;
use crate::subject::timers::{finish, move_to};
use crate::view::Specs;

pub use self::tally::{SweepEnd, Swept, Tally, TimerOutcome};

/// Entries of a shard that are read at once. The lease is checked between two reads.
const ENTRIES_AT_ONCE: usize = 100;

/// What a sweep may take.
#[derive(Clone, Copy, Debug)]
pub struct SweepLimits {
    /// When it starts nothing new.
    pub stop_at: Timestamp,
    /// How many shards of a minute are swept concurrently.
    pub shards_at_once: usize,
    /// How many subjects of a shard are looked at concurrently.
    pub subjects_at_once: usize,
    /// The sizes of the items that a touch or a carry writes.
    pub item_limits: ItemLimits,
}

impl SweepLimits {
    /// The limits in production, until this time.
    pub const fn until(stop_at: Timestamp) -> Self {
        let item_limits = ItemLimits::STANDARD;
        Self { stop_at, shards_at_once: 8, subjects_at_once: 8, item_limits }
    }
}

/// Runs a sweep.
///
/// A sweep costs 1 read unit and 2 write units for the lease, and each minute 1 read unit for each of the
/// [`SHARDS`] and 1 write unit. A due timer costs 2 read units (its armed minute and the head), and then:
///
/// - released, carried, resent, looked or woken: the touch or the carry, and 2 write units, or 3 if the subject has to be
///   looked at again
/// - finished: 2 write units
/// - moved or failed: 3 write units
/// - outdated: 1 write unit, and the head is not read
pub async fn sweep<P: Ports + Timers>(
    ports: &P,
    registry: &Registry,
    limits: SweepLimits,
) -> Swept {
    let (tally, failed_tenants) = (Mutex::default(), Mutex::default());
    let sweep = Sweep { ports, registry, limits, tally, failed_tenants };
    let (end, next) = match sweep.take().await {
        Ok(mut state) => {
            let end = sweep.run(&mut state).await.err().unwrap_or(SweepEnd::CaughtUp);
            sweep.give_back(&end, &state).await;
            (end, Some(state.next))
        }
        Err(end) => (end, None),
    };
    let tally = sweep.tally().clone();
    Swept { end, next, tally }
}

struct Sweep<'a, P> {
    ports: &'a P,
    registry: &'a Registry,
    limits: SweepLimits,
    tally: Mutex<Tally>,
    /// Tenants of whom nothing can be read or written. The sweep tries each of them once.
    failed_tenants: Mutex<BTreeSet<TenantId>>,
}

/// What to do with the timer of a subject that was looked at.
enum Next {
    Finish(TimerOutcome),
    Move(Minute, TimerOutcome),
}

impl<P: Ports + Timers> Sweep<'_, P> {
    async fn take(&self) -> Result<SweepState, SweepEnd> {
        let stored = self.ports.sweep_state().await?;
        let (now, token) = (self.ports.now(), self.token());
        self.pay(stored.units);
        let taken = SweepState::taken(stored.answer.as_ref(), token, now);
        let taken = taken.ok_or(SweepEnd::Held)?;
        match self.replace(stored.answer.as_ref(), &taken).await? {
            true => Ok(taken),
            false => Err(SweepEnd::Held),
        }
    }

    fn token(&self) -> String {
        format!("{:016x}{:016x}", self.ports.random(), self.ports.random())
    }

    /// Finishes minute after minute. `Ok`: every minute that may be swept is finished.
    async fn run(&self, state: &mut SweepState) -> Result<(), SweepEnd> {
        while state.next <= Minute::newest_swept(self.ports.now()) {
            self.minute(state).await?;
            let advanced = state.advanced(self.ports.now());
            self.keep(state, advanced).await?;
            self.tally().minutes += 1;
        }
        Ok(())
    }

    async fn minute(&self, state: &mut SweepState) -> Result<(), SweepEnd> {
        let minute = state.next;
        let shards = (0..SHARDS).map(|shard| (Partition { minute, shard }, None));
        let mut rest: Vec<(Partition, Option<String>)> = shards.collect();
        while !rest.is_empty() {
            let now = self.ports.now();
            if state.is_half_over(now) {
                let renewed = state.renewed(now);
                self.keep(state, renewed).await?;
            }
            let pages = rest.into_iter().map(|(partition, after)| self.page(partition, after));
            let pages = stream::iter(pages).buffer_unordered(self.limits.shards_at_once);
            let unfinished: Vec<Option<_>> = pages.try_collect().await?;
            rest = unfinished.into_iter().flatten().collect();
        }
        Ok(())
    }

    /// Sweeps the next entries of a shard. `None`: none follow.
    async fn page(
        &self,
        partition: Partition,
        after: Option<String>,
    ) -> Result<Option<(Partition, Option<String>)>, SweepEnd> {
        let page = self.ports.entries(partition, after.as_deref(), ENTRIES_AT_ONCE).await?;
        self.pay(page.units);
        self.tally().count(TimerOutcome::Unreadable, page.answer.unreadable);
        let timers = page.answer.timers.into_iter().map(|timer| self.timer(timer));
        let mut timers = stream::iter(timers).buffer_unordered(self.limits.subjects_at_once);
        while let Some(outcome) = timers.try_next().await? {
            self.tally().count(outcome, 1);
        }
        Ok(page.answer.next.map(|next| (partition, Some(next))))
    }

    async fn timer(&self, timer: Timer) -> Result<TimerOutcome, SweepEnd> {
        if self.ports.now() >= self.limits.stop_at {
            return Err(SweepEnd::Deadline);
        }
        let armed = match self.ports.armed_minute(&timer.key).await {
            Ok(armed) => armed,
            // An item of a newer version must not stop the sweep.
            Err(corrupt) if corrupt.reason == Reason::Corrupt => {
                return Ok(TimerOutcome::Unreadable);
            }
            Err(unavailable) => return Err(unavailable.into()),
        };
        self.pay(armed.units);
        if armed.answer != Some(timer.minute) {
            self.pay(self.ports.delete_entry(&timer).await?);
            return Ok(TimerOutcome::Outdated);
        }
        let next = match self.look(&timer).await {
            Ok(next) => next,
            Err(failed) if failed.extent == Extent::Everyone => return Err(failed.into()),
            Err(failed) => self.fail(&timer, &failed),
        };
        match next {
            Next::Finish(outcome) => {
                self.pay(finish(self.ports, &timer).await?);
                Ok(outcome)
            }
            Next::Move(minute, outcome) => {
                let failures = if outcome == TimerOutcome::Failed { timer.failures + 1 } else { 0 };
                self.pay(move_to(self.ports, &timer, minute, failures).await?);
                Ok(outcome)
            }
        }
    }

    async fn look(&self, timer: &Timer) -> Result<Next, Unavailable> {
        let (now, subject) = (self.ports.now(), &timer.key.subject);
        if self.failed_tenants().contains(subject.tenant()) {
            let later = looking::next_try(timer.failures + 1, now);
            return Ok(Next::Move(later, TimerOutcome::Failed));
        }
        let Some(tenant) = self.registry.tenant(subject.tenant(), now, self.ports).await? else {
            return Ok(Next::Finish(TimerOutcome::Finished));
        };
        // Nobody writes the ledger of a suspended tenant: it may be on its way to another table.
        if tenant.status == Status::Suspended {
            let later = Minute::of(now).plus(looking::LONGEST_WAIT_MINUTES);
            return Ok(Next::Move(later, TimerOutcome::Failed));
        }
        let table = tenant.placement.table();
        let is_own = table.is_some();
        let location = SubjectLocation { key: subject.clone(), table };
        let looked = self.look_at(timer.key.kind, location, &tenant).await;
        looked.map_err(|failed| if is_own { failed.of_tenant() } else { failed })
    }

    async fn look_at(
        &self,
        kind: TimerKind,
        location: SubjectLocation,
        tenant: &Tenant,
    ) -> Result<Next, Unavailable> {
        let stored = self.ports.head(&location).await?;
        self.pay(stored.units);
        let head = stored.answer.map(|stored| decode_head(&stored.bytes)).transpose();
        let head = head.map_err(broken)?.unwrap_or_default();
        let params =
            CommitParams::new(location.key.clone(), tenant.policy(), self.limits.item_limits);
        let (ports, registry) = (self.ports, self.registry);
        let rules = registry.rules_of(location.key.tenant(), ports.now(), ports).await?;
        let outputs = TenantOutputs { feeds: &tenant.feeds, has_rules: rules.is_some() };
        let specs = self.specs(kind, &location, &head).await?;
        let (look, mut next) = (looking::look(kind, &head, outputs, &specs, ports.now()), None);
        let (units, outcome) = match look {
            Look::Finish => (Units::default(), TimerOutcome::Finished),
            Look::Move(minute) => return Ok(Next::Move(minute, TimerOutcome::Moved)),
            Look::Carry => {
                (carry(ports, registry, location, params).await?.1, TimerOutcome::Carried)
            }
            Look::Touch(reason) => {
                let outcome = match reason {
                    Touch::Release => TimerOutcome::Released,
                    Touch::Resend | Touch::Restored => TimerOutcome::Resent,
                    Touch::Acted => TimerOutcome::Woken,
                    Touch::Look(until) => {
                        let looked = Head { looked_until: Some(until), ..head };
                        next = next_look_of(&looked, &specs);
                        TimerOutcome::Looked
                    }
                };
                (touch(ports, registry, location, params, reason).await?.1, outcome)
            }
        };
        self.pay(units);
        Ok(match next {
            None => Next::Finish(outcome),
            Some(next) => Next::Move(Minute::for_due(next, ports.now()), outcome),
        })
    }

    /// By what the tail is folded, for the kind of timer that needs it.
    async fn specs(
        &self,
        kind: TimerKind,
        location: &SubjectLocation,
        head: &Head,
    ) -> Result<Specs, Unavailable> {
        match kind {
            TimerKind::Absence => {
                let (versions, now) = (Specs::default().missing(&head.tail), self.ports.now());
                self.registry.folded_by(&location.key, &versions, now, self.ports).await
            }
            TimerKind::Release | TimerKind::Carry | TimerKind::Resend | TimerKind::Snooze => {
                Ok(Specs::default())
            }
        }
    }

    /// Moves the timer of a subject that could not be looked at.
    fn fail(&self, timer: &Timer, failed: &Unavailable) -> Next {
        let (tenant, subject) = (timer.key.subject.tenant(), timer.key.subject.subject());
        if failed.extent == Extent::Tenant {
            self.failed_tenants().insert(tenant.clone());
        }
        let (kind, causes) = (timer.key.kind.as_str(), failed.causes());
        tracing::warn!(%tenant, %subject, kind, %failed, causes, "a due timer waits");
        let later = looking::next_try(timer.failures + 1, self.ports.now());
        Next::Move(later, TimerOutcome::Failed)
    }

    /// Replaces the state of the sweep, as long as this sweep holds the lease.
    async fn keep(&self, state: &mut SweepState, new: SweepState) -> Result<(), SweepEnd> {
        if !self.replace(Some(state), &new).await? {
            return Err(SweepEnd::LeaseLost);
        }
        *state = new;
        Ok(())
    }

    /// Gives up the lease. A lease that cannot be given up expires.
    async fn give_back(&self, end: &SweepEnd, state: &SweepState) {
        if *end == SweepEnd::LeaseLost {
            return;
        }
        if let Err(unavailable) = self.replace(Some(state), &state.released()).await {
            tracing::warn!(%unavailable, causes = unavailable.causes(), "the lease of the sweep could not be released");
        }
    }

    async fn replace(
        &self,
        expected: Option<&SweepState>,
        new: &SweepState,
    ) -> Result<bool, Unavailable> {
        let replaced = self.ports.replace_sweep_state(expected, new).await?;
        self.pay(replaced.units);
        Ok(replaced.answer)
    }

    fn pay(&self, units: Units) {
        self.tally().units += units;
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed_tenants(&self) -> MutexGuard<'_, BTreeSet<TenantId>> {
        self.failed_tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
