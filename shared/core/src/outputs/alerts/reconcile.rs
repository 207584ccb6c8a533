//! Which items change so that the alerts of a subject equal its episodes.
//!
//! - An episode takes over an alert of its rule whose time overlaps its own: of several alerts the one that opened
//!   first, and retracted alerts count. Of several episodes that overlap an alert the first one takes it.
//! - Another episode becomes a new alert.
//! - An alert without an episode is retracted.
//!
//! What people did about an alert stays with it. Only that a person closed it ends when its episode is open again.
//!
//! Usually only a part of the history is known: the episodes that were open at its beginning or later. Alerts that
//! closed earlier are left alone, but an episode may take over one of them.

use crate::base::id::SubjectKey;
use crate::base::time::Timestamp;
use crate::outputs::alerts::acts::Acts;
use crate::outputs::alerts::latest::{Backlog, Latest};
use crate::outputs::alerts::{Alert, AlertId, AlertWrite, Cause, Retraction, expiry, time_key};
use crate::outputs::changes::CommitId;
use crate::view::rules::Episode;

/// Whether the rule that opened an episode has `latch`.
pub type Latches<'a> = &'a (dyn Fn(&Episode) -> bool + Sync);

/// The episodes of a part of a subject's history, which reaches to the end.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownEpisodes {
    /// Where the part begins; `None`: all of the history is known.
    pub from: Option<Timestamp>,
    /// When the last event was observed.
    pub last_at: Option<Timestamp>,
    /// The episodes that are open at the beginning, and those that open later, in the order in which they opened.
    pub episodes: Vec<Episode>,
    /// The commit by which they are seen.
    pub seen_by: CommitId,
    /// What changed the history.
    pub cause: Cause,
    /// Which episodes were opened by events of a backlog.
    pub backlog: Backlog,
}

impl KnownEpisodes {
    /// From when on closed alerts have to be known: an episode may have ended before the part begins, although only
    /// an event in the part shows it.
    pub fn closed_from(&self) -> Timestamp {
        let ends = self.episodes.iter().filter_map(|one| Some(one.closed.as_ref()?.0.at));
        ends.chain([self.from.unwrap_or(Timestamp::MIN)]).min().unwrap_or(Timestamp::MIN)
    }

    /// The changes. `stored` are the alerts of the subject that are open or ended at [`Self::closed_from`] or later.
    pub fn reconcile(
        &self,
        subject: &SubjectKey,
        stored: Vec<Alert>,
        (latches, now): (Latches<'_>, Timestamp),
    ) -> Vec<AlertWrite> {
        let (mut writes, others) = self.take_over(subject, stored, (latches, now));
        let gone = others.into_iter().filter(|old| old.retracted.is_none() && self.covers(old));
        writes
            .extend(gone.map(|old| AlertWrite { new: Some(self.retracted(&old)), old: Some(old) }));
        writes
    }

    /// The changes for a subject that was forgotten: no alert that opened before stays, not even its id. `stored` are
    /// all alerts of the subject.
    pub fn replace(
        &self,
        subject: &SubjectKey,
        stored: Vec<Alert>,
        (latches, now): (Latches<'_>, Timestamp),
    ) -> Vec<AlertWrite> {
        let first = self.from.map(time_key);
        let is_since =
            |alert: &Alert| first.as_ref().is_some_and(|first| alert.id.as_str() >= &**first);
        let (since, before): (Vec<Alert>, Vec<Alert>) = stored.into_iter().partition(is_since);
        let (mut writes, others) = self.take_over(subject, since, (latches, now));
        let gone = before.into_iter().chain(others);
        writes.extend(gone.map(|old| AlertWrite { old: Some(old), new: None }));
        writes
    }

    /// The changes of alerts that have an episode, and the other alerts.
    fn take_over(
        &self,
        subject: &SubjectKey,
        mut stored: Vec<Alert>,
        (latches, now): (Latches<'_>, Timestamp),
    ) -> (Vec<AlertWrite>, Vec<Alert>) {
        // Ids sort by the time of the first opening.
        stored.sort_by(|one, other| one.id.cmp(&other.id));
        let mut writes = Vec::new();
        for episode in &self.episodes {
            let is_of =
                |alert: &Alert| alert.episode.rule == episode.rule && alert.overlaps(episode);
            let old = stored.iter().position(is_of).map(|at| stored.remove(at));
            let (id, mut acts) = match &old {
                Some(old) => (old.id.clone(), old.acts.clone()),
                None if is_over(episode, now) => continue,
                None => (AlertId::new(subject, episode, self.seen_by), Acts::default()),
            };
            acts.closed = acts.closed.filter(|_| episode.closed.is_some());
            let (episode, latches) = (episode.clone(), latches(episode));
            let latest = Latest::default();
            let new = Alert { id, episode, retracted: None, latches, acts, latest };
            let new = Some(new.with_news(old.as_ref(), &self.backlog, self.seen_by));
            if old != new {
                writes.push(AlertWrite { old, new });
            }
        }
        (writes, stored)
    }

    /// Whether the alert would be among the episodes if the history had it.
    fn covers(&self, alert: &Alert) -> bool {
        alert.ended_at().is_none_or(|ended_at| Some(ended_at) >= self.from)
    }

    fn retracted(&self, alert: &Alert) -> Alert {
        let until = alert.ended_at().or(self.last_at).unwrap_or(alert.episode.opened.at);
        let until = until.max(alert.episode.opened.at);
        let retracted = Some(Retraction { cause: self.cause.clone(), until });
        let new = Alert { retracted, ..alert.clone() };
        new.with_news(Some(alert), &self.backlog, self.seen_by)
    }
}

/// Whether the alert of an episode would have expired.
fn is_over(episode: &Episode, now: Timestamp) -> bool {
    episode.closed.as_ref().is_some_and(|(moment, _)| expiry(moment.at) <= now)
}

#[cfg(test)]
mod tests;
