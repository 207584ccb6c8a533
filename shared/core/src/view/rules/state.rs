//! What a subject remembers of rules: nothing of a rule that is neither pending nor firing, but for the parts of a
//! combined condition and the digest of a value that may change.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::condition::{Parts, Value};
use super::position;
use super::spec::Watched;
use crate::base::id::Position;
use crate::base::severity::Severity;
use crate::base::time::Timestamp;

/// The states of a subject's rules.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RuleStates {
    pub(super) by_rule: BTreeMap<Arc<str>, RuleState>,
    pub(super) over: u64,
}

/// The state of one rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleState {
    /// The shape of the rule that wrote the fields about parts.
    pub(super) shape: u32,
    /// The parts that hold.
    pub(super) holding: Parts,
    /// The digest of the last value of the part with `changes`.
    pub(super) before: Option<u64>,
    pub(super) phase: Phase,
}

/// How far a rule is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Phase {
    /// Its condition does not hold.
    Off,
    /// Its condition holds, but not for long enough.
    Pending(Run),
    /// An episode is open.
    Firing(Box<Firing>),
}

/// Consecutive events at which a condition held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// When the first of them was observed.
    pub since: Timestamp,
    /// How many they are.
    pub events: u32,
}

/// An open episode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Firing {
    /// The event that opened it.
    #[serde(with = "position")]
    pub opened: Position,
    /// The version of the rules that read that event.
    pub version: u32,
    /// When the condition began to hold.
    pub since: Timestamp,
    /// The last event at which the condition held. `after_seconds` counts from here.
    pub last_on: Timestamp,
    /// The highest severity so far.
    pub severity: Severity,
    /// The value at the opening, or at the event that raised the severity.
    pub value: Value,
    /// The events towards the end of the episode.
    pub clearing: Option<Run>,
}

impl RuleStates {
    /// The states, by the name of the rule.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &RuleState)> {
        self.by_rule.iter()
    }

    /// How many rules are firing.
    pub fn firing(&self) -> usize {
        self.by_rule.values().filter(|state| state.firing().is_some()).count()
    }

    /// The readings that were left out because too many rules had a state.
    pub fn over(&self) -> u64 {
        self.over
    }
}

impl RuleState {
    pub(super) fn new(shape: u32) -> Self {
        Self { shape, holding: 0, before: None, phase: Phase::Off }
    }

    /// The open episode, if there is one.
    pub fn firing(&self) -> Option<&Firing> {
        match &self.phase {
            Phase::Firing(firing) => Some(firing),
            Phase::Off | Phase::Pending(_) => None,
        }
    }

    /// The events so far, if the condition does not hold for long enough.
    pub fn pending(&self) -> Option<Run> {
        match &self.phase {
            Phase::Pending(run) => Some(*run),
            Phase::Off | Phase::Firing(_) => None,
        }
    }

    /// Forgets what belongs to other conditions than those of the rule. An open episode stays open.
    pub(super) fn take_shape(&mut self, shape: u32) {
        if self.shape == shape {
            return;
        }
        let phase = match std::mem::replace(&mut self.phase, Phase::Off) {
            Phase::Firing(firing) => Phase::Firing(Box::new(Firing { clearing: None, ..*firing })),
            Phase::Off | Phase::Pending(_) => Phase::Off,
        };
        *self = Self { phase, ..Self::new(shape) };
    }

    /// Forgets what the rule does not need in this phase.
    pub(super) fn forget_unneeded(&mut self, watched: &Watched) {
        if self.firing().is_none() {
            self.holding &= watched.remembered();
        }
    }

    /// Whether there is nothing to remember.
    pub(super) fn is_empty(&self) -> bool {
        self.phase == Phase::Off && self.holding == 0 && self.before.is_none()
    }
}

impl Run {
    /// The run with an event more, or a new run.
    pub(super) fn with(run: Option<Self>, at: Timestamp) -> Self {
        let Self { since, events } = run.unwrap_or(Self { since: at, events: 0 });
        Self { since, events: events.saturating_add(1) }
    }
}
