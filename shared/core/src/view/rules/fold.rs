//! Folds the next entry of a subject into the states of its rules.

use std::sync::Arc;

use super::condition::{Condition, Part, Parts, Reading, Test, Value, bit};
use super::episode::{Change, Ending, Moment, Transition};
use super::spec::{Clear, Lasting, Rule, RuleVersion, Watch, Watched};
use super::state::{Firing, Phase, RuleState, RuleStates, Run};
use crate::base::limits;
use crate::base::severity::Severity;
use crate::base::time::Timestamp;
use crate::event::Entry;
use crate::view::spec::NO_SPEC;
use crate::view::specs::Specs;

/// The values of one entry for a rule.
struct Readings<'a> {
    entry: &'a Entry,
    values: Vec<(usize, Reading<'a>)>,
    /// The parts that have a value.
    read: Parts,
}

/// A rule about values.
struct Conditions<'a> {
    rule: &'a Rule,
    watched: &'a Watched,
    shape: u32,
}

/// Collects the transitions of one entry.
struct Changes {
    version: u32,
    list: Vec<Transition>,
}

impl RuleStates {
    /// Folds the next entry. `previous_at` is when the subject's entry before it was observed. Returns the
    /// changes of episodes, in their order for each rule.
    pub fn apply(
        &mut self,
        entry: &Entry,
        previous_at: Option<Timestamp>,
        specs: &Specs,
    ) -> Vec<Transition> {
        let Some(versions) = specs.rules() else { return Vec::new() };
        let version = versions.reading(entry.position.observed_at, entry.ingested_at);
        let number = version.map_or(0, |version| version.number);
        let mut changes = Changes { version: number, list: Vec::new() };
        self.drop_removed(entry, version, &mut changes);
        for rule in version.into_iter().flat_map(|version| version.rules.values()) {
            match &rule.watch {
                Watch::Absence { seconds, kinds: _ } => {
                    absence(rule, *seconds, previous_at, entry, &mut changes);
                }
                Watch::Values { watched, shape } => {
                    let conditions = Conditions { rule, watched, shape: *shape };
                    self.values(&conditions, entry, specs, &mut changes);
                }
            }
        }
        changes.list
    }

    /// Drops the states of rules that the version does not have.
    fn drop_removed(
        &mut self,
        entry: &Entry,
        version: Option<&RuleVersion>,
        changes: &mut Changes,
    ) {
        let is_there = |id: &Arc<str>| {
            let rule = version.and_then(|version| version.rules.get(id));
            rule.is_some_and(|rule| matches!(rule.watch, Watch::Values { .. }))
        };
        self.by_rule.retain(|id, state| {
            let stays = is_there(id);
            if !stays && state.firing().is_some() {
                let at = Moment::of(&entry.position);
                changes.add(id, Change::Closed { at, ending: Ending::RuleRemoved });
            }
            stays
        });
    }

    fn values(
        &mut self,
        conditions: &Conditions<'_>,
        entry: &Entry,
        specs: &Specs,
        changes: &mut Changes,
    ) {
        let Conditions { rule, watched, shape } = *conditions;
        let is_known = self.by_rule.contains_key(&rule.id);
        let readings = Readings::of(watched, entry, specs);
        if !is_known && readings.read == 0 {
            return;
        }
        if !is_known && self.by_rule.len() >= limits::RULE_STATES {
            let mut left_out = RuleState::new(shape);
            left_out.take(watched, &readings);
            self.over += u64::from(left_out.holding & watched.when_parts() != 0);
            return;
        }
        let mut state = self.by_rule.remove(&rule.id).unwrap_or_else(|| RuleState::new(shape));
        state.take_shape(shape);
        state.expire(conditions, entry.position.observed_at, changes);
        if readings.read != 0 {
            state.take(watched, &readings);
            state.advance(conditions, &readings, changes);
        }
        state.forget_unneeded(watched);
        if !state.is_empty() {
            self.by_rule.insert(Arc::clone(&rule.id), state);
        }
    }
}

impl RuleState {
    /// Closes an episode whose condition did not hold for `after_seconds` before this time.
    fn expire(&mut self, conditions: &Conditions<'_>, now: Timestamp, changes: &mut Changes) {
        let Conditions { rule, watched, .. } = *conditions;
        let (Clear::Quiet(seconds), Some(firing)) = (&watched.clear, self.firing()) else { return };
        let end = firing.last_on.plus_seconds(*seconds);
        if now > end {
            let at = Moment::time(end);
            changes.add(&rule.id, Change::Closed { at, ending: Ending::Quiet });
            self.phase = Phase::Off;
        }
    }

    /// Takes the values of an entry.
    fn take(&mut self, watched: &Watched, readings: &Readings<'_>) {
        self.holding &= !readings.read;
        let mut digest = None;
        for (number, value) in &readings.values {
            let Some(part) = watched.parts.get(*number) else { continue };
            if part.holds(value, self.before) {
                self.holding |= bit(*number);
            }
            if part.remembers_value() {
                digest = Some(value.digest());
            }
        }
        self.before = digest.or(self.before);
    }

    /// Goes on by an entry that has a value for the rule.
    fn advance(
        &mut self,
        conditions: &Conditions<'_>,
        readings: &Readings<'_>,
        changes: &mut Changes,
    ) {
        let Conditions { rule, watched, .. } = *conditions;
        let at = readings.entry.position.observed_at;
        let is_read = readings.read & watched.when_parts() != 0;
        let is_on = watched.when.holds(self.holding);
        if let Phase::Firing(firing) = &mut self.phase {
            if is_on {
                firing.raise(conditions, readings, self.holding, changes);
            }
            if is_on && is_read {
                firing.last_on = at;
                firing.clearing = None;
            }
            if is_cleared(firing, watched, readings, self.holding) {
                let at = Moment::of(&readings.entry.position);
                changes.add(&rule.id, Change::Closed { at, ending: Ending::Cleared });
                self.phase = Phase::Off;
            }
        } else if is_read {
            let run = is_on.then(|| Run::with(self.pending(), at));
            self.phase = match run {
                None => Phase::Off,
                Some(run) if !watched.lasting.is_reached(run, at) => Phase::Pending(run),
                Some(run) => self.opened(conditions, readings, run, changes),
            };
        }
    }

    fn opened(
        &self,
        conditions: &Conditions<'_>,
        readings: &Readings<'_>,
        run: Run,
        changes: &mut Changes,
    ) -> Phase {
        let Conditions { rule, watched, .. } = *conditions;
        let raised = raised(watched, self.holding, rule.severity);
        let condition = raised.map_or(&watched.when, |(_, condition)| condition);
        let severity = raised.map_or(rule.severity, |(severity, _)| severity);
        let value = readings.value(condition, self.holding);
        let value = value.or_else(|| readings.value(&watched.when, self.holding));
        // An event that opens an episode has a value.
        let Some(value) = value else { return Phase::Pending(run) };
        let opened = readings.entry.position.clone();
        let (at, shown) = (Moment::of(&opened), Some(value.clone()));
        changes.add(&rule.id, Change::Opened { at, severity, value: shown });
        let (last_on, since) = (opened.observed_at, run.since);
        let version = changes.version;
        let firing = Firing { opened, version, since, last_on, severity, value, clearing: None };
        Phase::Firing(Box::new(firing))
    }
}

impl Firing {
    /// Takes the highest severity whose condition holds.
    fn raise(
        &mut self,
        conditions: &Conditions<'_>,
        readings: &Readings<'_>,
        holding: Parts,
        changes: &mut Changes,
    ) {
        let raised = raised(conditions.watched, holding, self.severity);
        let Some((severity, condition)) = raised else { return };
        let value = readings.value(condition, holding).unwrap_or_else(|| self.value.clone());
        self.severity = severity;
        self.value = value.clone();
        changes.add(&conditions.rule.id, Change::Raised { severity, value });
    }
}

/// Whether this entry ends the episode.
fn is_cleared(
    firing: &mut Firing,
    watched: &Watched,
    readings: &Readings<'_>,
    holding: Parts,
) -> bool {
    let is_on = watched.when.holds(holding);
    let (is_read, counts, lasting) = match &watched.clear {
        Clear::Quiet(_) => return false,
        Clear::NotWhen(lasting) => (readings.read & watched.when_parts() != 0, !is_on, *lasting),
        Clear::When(condition, lasting) => {
            let is_read = readings.read & watched.clear_parts() != 0;
            (is_read, !is_on && condition.holds(holding), *lasting)
        }
    };
    if !is_read {
        return false;
    }
    let at = readings.entry.position.observed_at;
    firing.clearing = counts.then(|| Run::with(firing.clearing, at));
    firing.clearing.is_some_and(|run| lasting.is_reached(run, at))
}

/// The highest severity above this one whose condition holds.
fn raised(watched: &Watched, holding: Parts, severity: Severity) -> Option<(Severity, &Condition)> {
    // The first of several counts.
    let higher = watched.raises.iter().rev().filter(|(raised, _)| *raised > severity);
    let holding = higher.filter(|(_, condition)| condition.holds(holding));
    holding.max_by_key(|(raised, _)| *raised).map(|(raised, condition)| (*raised, condition))
}

/// An episode for the gap before an entry.
fn absence(
    rule: &Rule,
    seconds: i64,
    previous_at: Option<Timestamp>,
    entry: &Entry,
    changes: &mut Changes,
) {
    let Some(end) = previous_at.map(|previous| previous.plus_seconds(seconds)) else { return };
    if entry.position.observed_at > end {
        let (at, severity) = (Moment::time(end), rule.severity);
        changes.add(&rule.id, Change::Opened { at, severity, value: None });
        let at = Moment::of(&entry.position);
        changes.add(&rule.id, Change::Closed { at, ending: Ending::Heard });
    }
}

impl<'a> Readings<'a> {
    fn of(watched: &Watched, entry: &'a Entry, specs: &Specs) -> Self {
        let mut readings = Self { entry, values: Vec::new(), read: 0 };
        if entry.contract != watched.contract {
            return readings;
        }
        let spec = specs.of(entry).unwrap_or(&NO_SPEC);
        for (number, part) in watched.parts.iter().enumerate() {
            if let Some(value) = part.find(entry, spec) {
                readings.read |= bit(number);
                readings.values.push((number, value));
            }
        }
        readings
    }

    /// The value of a condition: of its first part that has one and holds, else of its first part that has one.
    fn value(&self, condition: &Condition, holding: Parts) -> Option<Value> {
        let parts = condition.parts();
        let own = || self.values.iter().filter(|(number, _)| parts & bit(*number) != 0);
        let first = own().find(|(number, _)| holding & bit(*number) != 0).or_else(|| own().next());
        first.map(|(_, value)| value.shown())
    }
}

impl Part {
    fn remembers_value(&self) -> bool {
        self.test == Test::Changes
    }
}

impl Lasting {
    fn is_reached(self, run: Run, at: Timestamp) -> bool {
        match self {
            Self::Events(events) => run.events >= events,
            Self::Seconds(seconds) => at >= run.since.plus_seconds(seconds),
        }
    }
}

impl Changes {
    fn add(&mut self, rule: &Arc<str>, change: Change) {
        self.list.push(Transition { rule: Arc::clone(rule), version: self.version, change });
    }
}
