//! Episodes, and the changes of episodes that single entries cause.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::condition::Value;
use super::position;
use super::state::{Firing, RuleStates};
use crate::base::id::Position;
use crate::base::severity::Severity;
use crate::base::time::Timestamp;

/// A change of one rule's episode.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    /// The rule.
    pub rule: Arc<str>,
    /// The version of the rules that read the entry.
    pub version: u32,
    /// The change.
    pub change: Change,
}

/// What happens to an episode.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// It begins.
    Opened {
        /// When.
        at: Moment,
        /// Its severity.
        severity: Severity,
        /// The value; `None` for an absence.
        value: Option<Value>,
    },
    /// Its severity rises.
    Raised {
        /// The new severity.
        severity: Severity,
        /// The value that raised it.
        value: Value,
    },
    /// It ends.
    Closed {
        /// When.
        at: Moment,
        /// Why.
        ending: Ending,
    },
}

/// A time in a history, and the event at that time if there is one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Moment {
    /// The time.
    pub at: Timestamp,
    /// The position of the event; `None`: time alone makes the change.
    #[serde(with = "position::optional")]
    pub event: Option<Position>,
}

/// Why an episode ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Ending {
    /// Its condition no longer holds, or `clear` does.
    Cleared,
    /// Its condition did not hold for `after_seconds`.
    Quiet,
    /// The subject that was silent sent an event.
    Heard,
    /// The rule is not in the version that reads this event.
    RuleRemoved,
}

/// A maximal run of a rule being on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Episode {
    /// The rule.
    pub rule: Arc<str>,
    /// The version of the rules that opened it.
    pub version: u32,
    /// Its beginning.
    pub opened: Moment,
    /// Its end; `None`: it is open.
    pub closed: Option<(Moment, Ending)>,
    /// The highest severity.
    pub severity: Severity,
    /// The value at the opening or at the highest severity; `None` for an absence.
    pub value: Option<Value>,
}

/// Collects episodes from transitions, in the order in which they opened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Episodes(Vec<Episode>);

impl Moment {
    /// The moment of an event.
    pub fn of(position: &Position) -> Self {
        Self { at: position.observed_at, event: Some(position.clone()) }
    }

    /// A moment without an event.
    pub fn time(at: Timestamp) -> Self {
        Self { at, event: None }
    }
}

impl Ending {
    /// The word for people and programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cleared => "cleared",
            Self::Quiet => "quiet",
            Self::Heard => "heard",
            Self::RuleRemoved => "rule removed",
        }
    }
}

impl Episode {
    fn of_firing(rule: &Arc<str>, firing: &Firing) -> Self {
        Self {
            rule: Arc::clone(rule),
            version: firing.version,
            opened: Moment::of(&firing.opened),
            closed: None,
            severity: firing.severity,
            value: Some(firing.value.clone()),
        }
    }
}

impl Episodes {
    /// The episodes that are open in a state, before the entries that follow it.
    pub fn open_in(states: &RuleStates) -> Self {
        let firing = states.iter().filter_map(|(rule, state)| Some((rule, state.firing()?)));
        Self(firing.map(|(rule, firing)| Episode::of_firing(rule, firing)).collect())
    }

    /// Takes the transitions of the next entry.
    pub fn take(&mut self, transitions: Vec<Transition>) {
        for Transition { rule, change, version } in transitions {
            let open = self.0.iter_mut().rev().find(|one| one.rule == rule && one.closed.is_none());
            match (change, open) {
                (Change::Opened { at, severity, value }, _) => {
                    let (opened, closed) = (at, None);
                    self.0.push(Episode { rule, version, opened, closed, severity, value });
                }
                (Change::Raised { severity, value }, Some(episode)) => {
                    episode.severity = severity;
                    episode.value = Some(value);
                }
                (Change::Closed { at, ending }, Some(episode)) => {
                    episode.closed = Some((at, ending));
                }
                (Change::Raised { .. } | Change::Closed { .. }, None) => {}
            }
        }
    }

    /// The episodes so far.
    pub fn list(&self) -> &[Episode] {
        &self.0
    }
}
