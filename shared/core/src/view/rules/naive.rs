//! The episodes of a whole sorted history, from the definitions and without any state: what each entry means for a
//! rule is looked up backwards in the history, again for each entry.

use std::sync::Arc;

use super::condition::{Condition, Reading, Test, Value};
use super::spec::{Clear, Lasting, Rule, RuleVersions, Watch, Watched};
use super::{Ending, Episode, Moment};
use crate::base::severity::Severity;
use crate::base::time::Timestamp;
use crate::event::Entry;
use crate::view::spec::NO_SPEC;
use crate::view::specs::Specs;

/// A history under one rule.
struct Life<'a> {
    entries: &'a [Arc<Entry>],
    specs: &'a Specs,
    /// The rule by which each entry is read.
    rules: Vec<Option<&'a Rule>>,
    /// The numbers of their versions.
    versions: Vec<u32>,
}

/// Every episode, by rule.
pub(super) fn episodes(
    entries: &[Arc<Entry>],
    specs: &Specs,
    versions: &RuleVersions,
    ids: &[&str],
) -> Vec<Episode> {
    let of = |id: &&str| {
        let rules = entries.iter().map(|entry| {
            let version = versions.reading(entry.position.observed_at, entry.ingested_at)?;
            version.rules.get(*id).map(AsRef::as_ref)
        });
        let numbers = entries.iter().map(|entry| {
            let version = versions.reading(entry.position.observed_at, entry.ingested_at);
            version.map_or(0, |version| version.number)
        });
        let life = Life { entries, specs, rules: rules.collect(), versions: numbers.collect() };
        [life.absences(), life.runs()].concat()
    };
    ids.iter().flat_map(of).collect()
}

impl<'a> Life<'a> {
    fn at(&self, index: usize) -> Timestamp {
        self.entries[index].position.observed_at
    }

    fn watched(&self, index: usize) -> Option<&'a Watched> {
        match &self.rules[index]?.watch {
            Watch::Values { watched, .. } => Some(watched),
            Watch::Absence { .. } => None,
        }
    }

    fn absences(&self) -> Vec<Episode> {
        let mut found = Vec::new();
        for index in 1..self.entries.len() {
            let Some(rule) = self.rules[index] else { continue };
            let Watch::Absence { seconds, .. } = &rule.watch else { continue };
            let silent = self.at(index).micros() - self.at(index - 1).micros();
            if silent > seconds * 1_000_000 {
                found.push(Episode {
                    rule: Arc::clone(&rule.id),
                    version: self.versions[index],
                    opened: Moment::time(self.at(index - 1).plus_seconds(*seconds)),
                    closed: Some((Moment::of(&self.entries[index].position), Ending::Heard)),
                    severity: rule.severity,
                    value: None,
                });
            }
        }
        found
    }

    fn runs(&self) -> Vec<Episode> {
        let mut found: Vec<Episode> = Vec::new();
        let (mut open, mut floor) = (None, 0);
        for index in 0..self.entries.len() {
            if let Some(opened) = open {
                match self.end(index, opened) {
                    None => self.raise(index, found.last_mut().expect("an episode")),
                    Some(end) => {
                        // An event that comes after a quiet end may open the next episode.
                        floor = if end.1 == Ending::Quiet { index } else { index + 1 };
                        found.last_mut().expect("an episode").closed = Some(end);
                        open = None;
                    }
                }
            }
            if open.is_none() && floor <= index && self.opens(index, floor) {
                let rule = self.rules[index].expect("a rule");
                let watched = self.watched(index).expect("a rule about values");
                found.push(Episode {
                    rule: Arc::clone(&rule.id),
                    version: self.versions[index],
                    opened: Moment::of(&self.entries[index].position),
                    closed: None,
                    severity: rule.severity,
                    value: self.value(index, &watched.when),
                });
                self.raise(index, found.last_mut().expect("an episode"));
                open = Some(index);
            }
        }
        found
    }

    fn end(&self, index: usize, opened: usize) -> Option<(Moment, Ending)> {
        let here = || Moment::of(&self.entries[index].position);
        let Some(watched) = self.watched(index) else { return Some((here(), Ending::RuleRemoved)) };
        let (counts, lasting): (Box<dyn Fn(usize) -> Option<bool>>, _) = match &watched.clear {
            Clear::Quiet(seconds) => {
                let last = (opened..index).rev().find(|one| self.is_read(*one) && self.is_on(*one));
                let end = self.at(last.expect("the opening")).plus_seconds(*seconds);
                return (self.at(index) > end).then(|| (Moment::time(end), Ending::Quiet));
            }
            Clear::NotWhen(lasting) => {
                (Box::new(|one| self.is_read(one).then(|| !self.is_on(one))), *lasting)
            }
            Clear::When(condition, lasting) => {
                let counts = move |one: usize| {
                    if self.is_read(one) && self.is_on(one) {
                        return Some(false);
                    }
                    let is_read = self.has_value(one, condition);
                    is_read.then(|| !self.is_on(one) && self.holds(one, condition, opened))
                };
                (Box::new(counts), *lasting)
            }
        };
        let run = self.run(index, self.stretch(index).max(opened + 1), counts);
        self.lasts(&run, index, lasting).then(|| (here(), Ending::Cleared))
    }

    fn opens(&self, index: usize, floor: usize) -> bool {
        let Some(watched) = self.watched(index) else { return false };
        let counts = |one| self.is_read(one).then(|| self.is_on(one));
        let run = self.run(index, self.stretch(index).max(floor), counts);
        self.lasts(&run, index, watched.lasting)
    }

    /// The entries in a row up to this one that count, without those that say nothing. Empty if this one does not
    /// count.
    fn run(&self, index: usize, from: usize, counts: impl Fn(usize) -> Option<bool>) -> Vec<usize> {
        if counts(index) != Some(true) {
            return Vec::new();
        }
        let said = (from..=index).rev().filter_map(|one| Some((one, counts(one)?)));
        said.take_while(|(_, counts)| *counts).map(|(one, _)| one).collect()
    }

    fn lasts(&self, run: &[usize], index: usize, lasting: Lasting) -> bool {
        let Some(first) = run.last() else { return false };
        match lasting {
            Lasting::Events(events) => run.len() >= events as usize,
            Lasting::Seconds(seconds) => {
                self.at(index).micros() - self.at(*first).micros() >= seconds * 1_000_000
            }
        }
    }

    fn raise(&self, index: usize, episode: &mut Episode) {
        let watched = self.watched(index).expect("a rule about values");
        let is_read = (0..watched.parts.len()).any(|part| self.reading(index, part).is_some());
        if !is_read || !self.is_on(index) {
            return;
        }
        let mut best: Option<(Severity, &Condition)> = None;
        for (severity, condition) in &watched.raises {
            let is_best = *severity > best.map_or(episode.severity, |(best, _)| best);
            if is_best && self.holds(index, condition, self.stretch(index)) {
                best = Some((*severity, condition));
            }
        }
        if let Some((severity, condition)) = best {
            episode.severity = severity;
            episode.value = self.value(index, condition).or_else(|| episode.value.clone());
        }
    }

    /// The first entry since which rules with the same conditions read every entry.
    fn stretch(&self, index: usize) -> usize {
        let shape = |one: usize| match &self.rules[one]?.watch {
            Watch::Values { shape, .. } => Some(*shape),
            Watch::Absence { .. } => None,
        };
        (0..index).rev().find(|one| shape(*one) != shape(index)).map_or(0, |one| one + 1)
    }

    fn is_on(&self, index: usize) -> bool {
        let watched = self.watched(index).expect("a rule about values");
        self.holds(index, &watched.when, self.stretch(index))
    }

    fn is_read(&self, index: usize) -> bool {
        self.watched(index).is_some_and(|watched| self.has_value(index, &watched.when))
    }

    fn has_value(&self, index: usize, condition: &Condition) -> bool {
        match condition {
            Condition::Part(part) => self.reading(index, *part).is_some(),
            Condition::All(inner) | Condition::Any(inner) => {
                inner.iter().any(|one| self.has_value(index, one))
            }
        }
    }

    fn holds(&self, index: usize, condition: &Condition, from: usize) -> bool {
        match condition {
            Condition::Part(part) => self.part_holds(index, *part, from),
            Condition::All(inner) => inner.iter().all(|one| self.holds(index, one, from)),
            Condition::Any(inner) => inner.iter().any(|one| self.holds(index, one, from)),
        }
    }

    fn part_holds(&self, index: usize, number: usize, from: usize) -> bool {
        let from = from.max(self.stretch(index));
        let mut read = (from..=index).rev().filter_map(|one| self.reading(one, number));
        let Some(last) = read.next() else { return false };
        let part = &self.watched(index).expect("a rule about values").parts[number];
        match part.test {
            Test::Changes => read.next().is_some_and(|before| before != last),
            Test::Within(_) | Test::Is(_) | Test::IsNot(_) => part.holds(&last, None),
        }
    }

    fn reading(&self, index: usize, part: usize) -> Option<Reading<'a>> {
        let watched = self.watched(index)?;
        let entry: &Entry = &self.entries[index];
        if entry.contract != watched.contract {
            return None;
        }
        watched.parts[part].find(entry, self.specs.of(entry).unwrap_or(&NO_SPEC))
    }

    /// Of the parts that this entry brings the first that holds, else the first.
    fn value(&self, index: usize, condition: &Condition) -> Option<Value> {
        let mut parts = Vec::new();
        listed(condition, &mut parts);
        parts.sort_unstable();
        let read = |part: &&usize| self.reading(index, **part).is_some();
        let stretch = self.stretch(index);
        let holds = |part: &&usize| self.part_holds(index, **part, stretch);
        let first = parts.iter().filter(read).find(holds).or_else(|| parts.iter().find(read))?;
        self.reading(index, *first).map(|reading| reading.shown())
    }
}

fn listed(condition: &Condition, parts: &mut Vec<usize>) {
    match condition {
        Condition::Part(part) => parts.push(*part),
        Condition::All(inner) | Condition::Any(inner) => {
            inner.iter().for_each(|one| listed(one, parts));
        }
    }
}
