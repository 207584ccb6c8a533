//! The loop of a run: reads pages of letters in order of id and splits them into steps (`steps`).
//! It checks lease, rate and time before each step and saves the record after it. `batch` processes
//! a step.

use std::time::Duration;

use super::outcome::LetterOutcome;
use super::overlay::Overlay;
use super::run::{Phase, Run};
use super::runner::{HeldRun, Runner};
use super::steps::{Turn, step_length, turn};
use super::views::{self, Watched};
use super::{ReplayPorts, RunContext, RunProgress, Sources, batch};
use crate::base::error::{Reason, Unavailable};
use crate::base::metrics::Tally;
use crate::base::public_reason::PublicReason;
use crate::dead_letter::letter::{LetterAttempt, LetterRange, Order, StoredLetter};
use crate::pipeline::Pipeline;
use crate::pipeline::cache::HeadCache;
use crate::registry::Registry;

/// Letters per page.
const PAGE: usize = 500;
/// Maximum bytes of writes that a dry run keeps in memory.
const OVERLAY_BYTES: usize = 64 * 1024 * 1024;

/// Why a run stops.
enum Stop {
    Done,
    Paused(PublicReason),
    Cancelled,
}

/// Works on a run until it is done or the deadline passes. The record holds its progress.
pub(super) async fn drive<W: ReplayPorts, S: Sources>(
    held_run: HeldRun<'_, W, S>,
    run: Run,
    version: u64,
) -> Result<RunProgress, Unavailable> {
    let HeldRun { context: RunContext { ports, sources, limits }, owner, deadline, lease } =
        held_run;
    let pipeline = Pipeline {
        registry: Registry::new(),
        heads: HeadCache::new(limits.cache_bytes),
        item_limits: limits.item_limits,
        concurrency: limits.concurrency,
    };
    let mut runner = Runner {
        ports,
        sources,
        owner,
        pipeline,
        overlay: run.dry_run.then(|| Overlay::new(ports)),
        views: Watched::default(),
        tally: Tally::default(),
        retention: limits.retention,
        deadline,
        lease,
        version,
        unanswered: None,
        started: ports.now(),
        taken: 0,
        run,
    };
    let stop = match runner.save().await? {
        Some(stop) => stop,
        None => runner.go().await.unwrap_or_else(|unavailable| runner.pause(&unavailable)),
    };
    runner.finish(stop).await
}

impl<W: ReplayPorts, S: Sources> Runner<'_, W, S> {
    async fn go(&mut self) -> Result<Stop, Unavailable> {
        loop {
            // Pages without a matching letter take time, too.
            if self.ports.now() >= self.deadline {
                return Ok(Stop::Paused(PublicReason::Time));
            }
            let (page, last) = self.page().await?;
            let mut rest = page.as_slice();
            while !rest.is_empty() {
                if self.run.left() == 0 {
                    return Ok(Stop::Done);
                }
                let (step, later) = rest.split_at(step_length(&self.run, rest));
                rest = later;
                if let Some(stop) = self.step(step).await? {
                    return Ok(stop);
                }
            }
            if last {
                return Ok(Stop::Done);
            }
        }
    }

    /// Pauses the run with a public reason for its owner, and logs the error.
    fn pause(&self, unavailable: &Unavailable) -> Stop {
        let (replay_id, why) = (&*self.run.replay_id, &*unavailable.message);
        tracing::warn!(replay_id, reason = ?unavailable.reason, why, "a replay run pauses");
        Stop::Paused(unavailable.reason.into())
    }

    /// The next letters after the cursor, and whether this is the last page. Impossible receipt
    /// times are corrected first; marking the letter stores the correction.
    async fn page(&mut self) -> Result<(Vec<StoredLetter>, bool), Unavailable> {
        let after = self.run.cursor.clone();
        let (mut letters, last) = match self.run.filter.ids.clone() {
            Some(ids) => (self.named(ids, after).await?, true),
            None => {
                let range = LetterRange { after, order: Order::Rising, limit: PAGE };
                let page = self.ports.letters(self.owner, &range).await?;
                self.charge(page.units);
                let last = page.answer.len() < PAGE;
                (page.answer, last)
            }
        };
        letters.iter_mut().for_each(|stored| stored.letter.restamp(self.retention));
        Ok((letters, last))
    }

    async fn named(
        &mut self,
        mut ids: Vec<String>,
        after: Option<String>,
    ) -> Result<Vec<StoredLetter>, Unavailable> {
        ids.sort_unstable();
        ids.dedup();
        let mut found = Vec::new();
        for id in ids.iter().filter(|id| after.as_ref() < Some(id)) {
            let letter = self.ports.letter(self.owner, id).await?;
            self.charge(letter.units);
            found.extend(letter.answer);
        }
        Ok(found)
    }

    /// Executes one step. If letters are unavailable, the run pauses before the first of them.
    async fn step(&mut self, step: &[StoredLetter]) -> Result<Option<Stop>, Unavailable> {
        let takes: Vec<StoredLetter> = step
            .iter()
            .filter(|letter| matches!(turn(&self.run, &letter.letter), Turn::Take))
            .cloned()
            .collect();
        if !takes.is_empty()
            && let Some(stop) = self.may_begin().await?
        {
            return Ok(Some(stop));
        }
        self.taken += u64::try_from(takes.len()).unwrap_or(u64::MAX);
        let outcomes = batch::outcomes(self, &takes).await?;
        let mut tried = self.mark(takes, &outcomes).await.into_iter();
        let mut stop = None;
        for letter in step {
            let tried = match turn(&self.run, &letter.letter) {
                Turn::Skip => None,
                Turn::Count(tried) => Some(tried),
                Turn::Take => match tried.next() {
                    Some(Ok(tried)) => tried,
                    Some(Err(unavailable)) => {
                        stop = Some(self.pause(&unavailable));
                        break;
                    }
                    None => break,
                },
            };
            if let Some(tried) = tried {
                self.run.count(&tried);
            }
            self.run.cursor = Some(letter.letter.id.clone());
        }
        let changed = &self.run.changed;
        self.views.keep(|label| changed.contains(label));
        if stop.is_none() && !outcomes.is_empty() {
            stop = self.save().await?;
        }
        Ok(stop)
    }

    /// Waits for the rate limit before the next step, or returns why the step may not begin.
    async fn may_begin(&mut self) -> Result<Option<Stop>, Unavailable> {
        if self.overlay.as_ref().is_some_and(|overlay| overlay.bytes() > OVERLAY_BYTES) {
            return Ok(Some(Stop::Paused(PublicReason::Memory)));
        }
        let micros = self.taken.saturating_mul(1_000_000) / u64::from(self.run.rate.max(1));
        let due = self.started.micros().saturating_add(i64::try_from(micros).unwrap_or(i64::MAX));
        let now = self.ports.now();
        if now >= self.deadline || due >= self.deadline.micros() {
            return Ok(Some(Stop::Paused(PublicReason::Time)));
        }
        let wait = u64::try_from(due.saturating_sub(now.micros())).unwrap_or(0);
        if wait > 0 {
            self.ports.pause(Duration::from_micros(wait)).await;
        }
        self.until().await?;
        Ok(None)
    }

    /// Marks letters. Returns for each letter the outcome to count, or why it must be replayed
    /// again.
    async fn mark(
        &mut self,
        takes: Vec<StoredLetter>,
        outcomes: &[LetterOutcome],
    ) -> Vec<Result<Option<LetterAttempt>, Unavailable>> {
        let marked = if self.run.dry_run {
            outcomes.iter().map(|_| Ok(())).collect()
        } else {
            batch::mark_all(self, takes, outcomes).await
        };
        let pairs = outcomes.iter().zip(marked);
        pairs.map(|(outcome, marked)| marked.and_then(|()| outcome.tried(&self.run))).collect()
    }

    /// Saves the record. The run may have been cancelled meanwhile.
    async fn save(&mut self) -> Result<Option<Stop>, Unavailable> {
        let Self { ports, owner, .. } = *self;
        self.run.updated_at = ports.now();
        let (id, expires_at) = (self.run.replay_id.clone(), self.run.expires_at());
        let lost = loop {
            let stored = self.run.stored(self.version + 1)?;
            let put = ports.put_run(owner, &id, &stored, expires_at).await;
            let put = put.inspect_err(|_| self.unanswered = Some(stored.clone()))?;
            self.charge(put.units);
            if put.answer {
                self.version = stored.version;
                return Ok(None);
            }
            let found = ports.run(owner, &id).await?.answer;
            if found.is_none() || found != self.unanswered.take() {
                break found;
            }
            // The put whose answer was lost succeeded, so this put follows it.
            self.version = stored.version;
        };
        match lost.as_ref().map(|found| (found.version, Run::read(found))) {
            Some((version, Ok(run))) if run.phase == Phase::Cancelled => {
                self.version = version;
                Ok(Some(Stop::Cancelled))
            }
            _ => {
                let message = "another invocation has resumed this run";
                Err(Unavailable::new(Reason::Contention, message))
            }
        }
    }

    /// Saves the final state of the run in this invocation.
    async fn finish(mut self, stop: Stop) -> Result<RunProgress, Unavailable> {
        let now = self.ports.now();
        (self.run.phase, self.run.reason) = match stop {
            Stop::Done => (Phase::Done, None),
            Stop::Paused(reason) => (Phase::Paused, Some(reason)),
            Stop::Cancelled => (Phase::Cancelled, None),
        };
        self.run.ended_at = self.run.is_over().then_some(now);
        let watched = std::mem::take(&mut self.views);
        let pairs = match &self.overlay {
            Some(overlay) => watched.pairs(overlay, &self.pipeline.registry, &mut self.tally).await,
            None => watched.pairs(self.ports, &self.pipeline.registry, &mut self.tally).await,
        };
        let noted = pairs.and_then(|pairs| {
            views::note(&mut self.run, &pairs)?;
            Ok(pairs)
        });
        // The views are optional: without them the run is still done.
        let pairs = noted.unwrap_or_else(|unavailable| {
            let (run, causes) = (&self.run.replay_id, unavailable.causes());
            tracing::warn!(%unavailable, causes, run, "the views of a run are not compared");
            Vec::new()
        });
        if let Some(Stop::Cancelled) = self.save().await? {
            self.run.phase = Phase::Cancelled;
            self.run.ended_at = Some(now);
            self.save().await?;
        }
        Ok(RunProgress { run: self.run, views: pairs, tally: self.tally })
    }
}
