//! Reads a part of a history, as it is now, and folds it into the episodes of the subject's rules.

use std::sync::Arc;

use super::Planning;
use crate::base::error::{Reason, Unavailable};
use crate::base::id::Position;
use crate::base::limits;
use crate::base::time::Timestamp;
use crate::event::Entry;
use crate::ledger::range_read::{HistoryRange, Order, Portion};
use crate::ledger::read::Question;
use crate::outputs::alerts::effect::cause_at;
use crate::outputs::alerts::latest::Backlog;
use crate::outputs::alerts::reconcile::KnownEpisodes;
use crate::outputs::changes::CommitId;
use crate::ports::{Alerts, Ports};
use crate::subject::reader;
use crate::view::Specs;
use crate::view::rules::{RuleFold, RuleStates};

impl<P: Ports + Alerts> Planning<'_, P> {
    /// The episodes from a position on, or of everything that is kept. `None`: nothing of the subject is kept.
    pub(super) async fn known_episodes(
        &mut self,
        from: Option<Position>,
    ) -> Result<Option<KnownEpisodes>, Unavailable> {
        let mut range = HistoryRange {
            from: from.as_ref().map(|from| from.observed_at),
            to: None,
            order: Order::Ascending,
            beyond: None,
            event_type: None,
            entries: limits::WALK_ENTRIES,
            bytes: limits::WALK_BYTES,
        };
        let Some(mut portion) = self.portion(&range).await? else { return Ok(None) };
        let Some(begins_at) = beginning(&portion, from.as_ref()) else { return Ok(None) };
        let Some(mut fold) = self.before(begins_at).await? else { return Ok(None) };
        let cause = cause_at(from.as_ref(), &portion.entries);
        let (mut specs, mut seen_by) = (Specs::default(), self.commit);
        let mut backlog = Backlog::default();
        loop {
            let head = &portion.head;
            seen_by = seen_by.max(CommitId { era: head.era, version: head.version });
            self.complete(&mut specs, &portion.entries).await?;
            fold.take(&portion.entries, &specs);
            backlog.add(&portion.entries, fold.episodes());
            let Some(next) = portion.next.take() else {
                fold.look(head.looked_until, &specs);
                let (episodes, last_at) = (fold.episodes().to_vec(), fold.last_at());
                let from = begins_at;
                return Ok(Some(KnownEpisodes {
                    from,
                    last_at,
                    episodes,
                    seen_by,
                    cause,
                    backlog,
                }));
            };
            range.beyond = Some(next);
            let Some(following) = self.portion(&range).await? else { return Ok(None) };
            portion = following;
        }
    }

    async fn portion(&mut self, range: &HistoryRange) -> Result<Option<Portion>, Unavailable> {
        if self.ports.now() >= self.deadline {
            return Err(Unavailable::new(Reason::Deadline, "the invocation is about to time out"));
        }
        let (portion, units) = reader::range(self.ports, self.location, range.clone()).await?;
        *self.units += units;
        Ok(portion)
    }

    /// The states of rules just before this time. The inner `None`: that part of the history has expired since.
    async fn before(
        &mut self,
        begins_at: Option<Timestamp>,
    ) -> Result<Option<RuleFold>, Unavailable> {
        let Some(before) = begins_at.map(Timestamp::just_before) else {
            return Ok(Some(RuleFold::from(RuleStates::default(), None)));
        };
        let question = Question::AsOf(before);
        let (snapshot, units) = reader::read(self.ports, self.location, question).await?;
        *self.units += units;
        let Some(snapshot) = snapshot else { return Ok(None) };
        let mut specs = Specs::default();
        self.complete(&mut specs, snapshot.entries()).await?;
        let view = snapshot.as_of(before, &specs);
        Ok(view.map(|view| RuleFold::from(view.rules, view.last_observed_at)))
    }

    /// Adds what the fold of these entries needs.
    async fn complete<'e>(
        &self,
        specs: &mut Specs,
        entries: impl IntoIterator<Item = &'e Arc<Entry>>,
    ) -> Result<(), Unavailable> {
        let (missing, now) = (specs.missing(entries), self.ports.now());
        let added = self.registry.folded_by(&self.location.key, &missing, now, self.ports).await?;
        specs.add(added);
        Ok(())
    }
}

/// Where the part begins of which something is kept: at `from`, or behind what has expired or was forgotten. The inner
/// `None`: at the first event that there ever was. The outer `None`: nothing is kept.
#[expect(clippy::option_option, reason = "a beginning may be unbounded, and there may be none")]
fn beginning(portion: &Portion, from: Option<&Position>) -> Option<Option<Timestamp>> {
    let gone = portion.gone_up_to.as_ref().max(portion.head.forgotten.as_ref());
    match gone.is_some() && gone >= from {
        true => portion.entries.first().map(|first| Some(first.position.observed_at)),
        false => Some(from.map(|from| from.observed_at)),
    }
}
