//! What time alone does: a silence that lasts opens an absence, and closes an episode that ends when its condition did
//! not hold for a while. Nothing here reads a clock: until when a subject is known to be silent, the caller says.

use super::episode::{Change, Ending, Moment, Transition};
use super::spec::{Clear, Rule, RuleVersion, Watch};
use super::state::RuleStates;
use crate::base::severity::Severity;
use crate::base::time::Timestamp;
use crate::view::specs::Specs;

/// What a silence does to a rule, and the time behind which it does.
struct Due {
    end: Timestamp,
    change: Change,
}

impl RuleStates {
    /// The changes of episodes if no event comes until a time. `last_at`: when the last event was observed.
    pub fn looked(
        &self,
        last_at: Option<Timestamp>,
        until: Timestamp,
        specs: &Specs,
    ) -> Vec<Transition> {
        let version = specs.rules().and_then(|versions| versions.reading(until, until));
        let (Some(version), Some(last_at)) = (version, last_at.filter(|last| *last < until)) else {
            return Vec::new();
        };
        let dues = self.dues(version, last_at).filter(|(_, due)| until > due.end);
        let transition = |(rule, due): (&Rule, Due)| Transition {
            rule: rule.id.clone(),
            version: version.number,
            change: due.change,
        };
        dues.map(transition).collect()
    }

    /// The next time until which the subject has to be silent for [`Self::looked`] to change. `after`: until when it is
    /// known to be silent.
    pub fn next_look(
        &self,
        last_at: Option<Timestamp>,
        after: Option<Timestamp>,
        specs: &Specs,
    ) -> Option<Timestamp> {
        let (versions, last_at) = (specs.rules()?, last_at?);
        let mut next = None;
        for (version, until) in versions.with_ends() {
            for (_, due) in self.dues(version, last_at) {
                let at = version.starts_at.map_or(due.end, |start| due.end.max(start)).just_after();
                let is_in_force = until.is_none_or(|until| at < until);
                if is_in_force && Some(at) > after && next.is_none_or(|next| at < next) {
                    next = Some(at);
                }
            }
        }
        next
    }

    fn dues<'a>(
        &'a self,
        version: &'a RuleVersion,
        last_at: Timestamp,
    ) -> impl Iterator<Item = (&'a Rule, Due)> {
        version.rules.values().filter_map(move |rule| Some((&**rule, self.due(rule, last_at)?)))
    }

    fn due(&self, rule: &Rule, last_at: Timestamp) -> Option<Due> {
        match &rule.watch {
            Watch::Absence { seconds, .. } => {
                let (end, severity) = (last_at.plus_seconds(*seconds), rule.severity);
                Some(Due { end, change: opened(end, severity) })
            }
            Watch::Values { watched, .. } => {
                let Clear::Quiet(seconds) = &watched.clear else { return None };
                let end = self.by_rule.get(&rule.id)?.firing()?.last_on.plus_seconds(*seconds);
                let change = Change::Closed { at: Moment::time(end), ending: Ending::Quiet };
                Some(Due { end, change })
            }
        }
    }
}

fn opened(end: Timestamp, severity: Severity) -> Change {
    Change::Opened { at: Moment::time(end), severity, value: None }
}
