//! The latest news of an alert: what people and programs are told about.
//!
//! News are numbered, so that what was told can be compared with what is to be told. They name the commit by which
//! they were seen: a relay that sees it again has the targets look again, because it may have died before.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Alert, AlertState, News};
use crate::base::id::Position;
use crate::event::Entry;
use crate::outputs::changes::CommitId;
use crate::view::rules::Episode;

/// An event that is received later than this after it was observed is a part of a backlog, in seconds.
const BACKLOG_SECONDS: i64 = 3_600;

/// The latest news of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latest {
    /// What happened.
    pub news: News,
    /// Counts up with the news of the alert, from 1.
    pub number: u32,
    /// Whether the alert is recorded and nobody is told: the event that opened it is a part of a backlog.
    pub is_old: bool,
    /// The commit by which the relay saw them; of a person's act, the one that the alert reflected before.
    pub commit: CommitId,
}

/// Which openings are parts of a backlog.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Backlog {
    openings: BTreeSet<Position>,
    /// Whether the last event that is known is a part of a backlog.
    ends_in_it: bool,
}

impl Default for Latest {
    fn default() -> Self {
        Self { news: News::Opened, number: 1, is_old: false, commit: CommitId::default() }
    }
}

impl Backlog {
    /// Adds the openings among these entries, which follow those of before.
    pub fn add<'e>(
        &mut self,
        entries: impl IntoIterator<Item = &'e Arc<Entry>>,
        episodes: &[Episode],
    ) {
        let opened: BTreeSet<&Position> =
            episodes.iter().filter_map(|episode| episode.opened.event.as_ref()).collect();
        for entry in entries {
            let observed_at = entry.position.observed_at;
            self.ends_in_it = observed_at.plus_seconds(BACKLOG_SECONDS) < entry.ingested_at;
            if self.ends_in_it && opened.contains(&entry.position) {
                self.openings.insert(entry.position.clone());
            }
        }
    }

    fn has(&self, episode: &Episode) -> bool {
        episode.opened.event.as_ref().is_some_and(|event| self.openings.contains(event))
    }
}

impl Alert {
    /// The alert with its latest news after a commit, compared with what was stored before.
    #[must_use]
    pub(super) fn with_news(
        mut self,
        old: Option<&Self>,
        backlog: &Backlog,
        commit: CommitId,
    ) -> Self {
        let before = old.map(|old| (old.state(), old.latest));
        let news = match (before, self.state()) {
            (
                None | Some((AlertState::Resolved | AlertState::Retracted, _)),
                AlertState::Firing,
            ) => News::Opened,
            (Some((state, latest)), now) if state == now => match self.changed(old) {
                Some(news) if now == AlertState::Firing => news,
                _ => {
                    self.latest = latest;
                    return self;
                }
            },
            (_, AlertState::Retracted) => News::Retracted,
            (_, _) => News::Resolved,
        };
        let was_old = before.is_some_and(|(_, latest)| latest.is_old);
        let is_old = match news {
            News::Opened => backlog.has(&self.episode),
            News::Raised => was_old && backlog.ends_in_it,
            _ => was_old,
        };
        // An alert that opened and closed within one commit has been told to nobody.
        self.latest = Latest { news, number: next_number(old), is_old, commit };
        self
    }

    /// The alert after a person's act that people are told about.
    #[must_use]
    pub(super) fn with_act(mut self, news: News, commit: CommitId) -> Self {
        let number = next_number(Some(&self));
        self.latest = Latest { news, number, commit, ..self.latest };
        self
    }

    /// What changed about an alert that was firing and still is.
    fn changed(&self, old: Option<&Self>) -> Option<News> {
        let (old, new) = (&old?.episode, &self.episode);
        match new.severity.cmp(&old.severity) {
            std::cmp::Ordering::Greater => Some(News::Raised),
            std::cmp::Ordering::Less => Some(News::Moved),
            std::cmp::Ordering::Equal => (new.opened != old.opened).then_some(News::Moved),
        }
    }
}

fn next_number(old: Option<&Alert>) -> u32 {
    old.map_or(0, |old| old.latest.number).saturating_add(1)
}
