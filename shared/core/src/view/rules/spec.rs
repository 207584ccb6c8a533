//! Compiled rules, and the versions of a tenant's rules with the time from which each is in force.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::condition::{Condition, Part, Parts, bit};
use crate::base::id::Kind;
use crate::base::severity::Severity;
use crate::base::time::Timestamp;

/// One rule of a version.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The name, at most [`RULE_ID_BYTES`](crate::base::limits::RULE_ID_BYTES). A rule of the next version with
    /// the same name is the successor of this one.
    pub id: Arc<str>,
    /// The severity, unless a value raises it.
    pub severity: Severity,
    /// When the rule is on.
    pub watch: Watch,
}

/// What a rule watches.
#[derive(Clone, Debug, PartialEq)]
pub enum Watch {
    /// Values of events.
    Values {
        /// The conditions.
        watched: Box<Watched>,
        /// Their digest. What a state remembers of values belongs to one shape.
        shape: u32,
    },
    /// Subjects from which nothing comes.
    Absence {
        /// The longest gap between two events that is no episode.
        seconds: i64,
        /// The kinds of subjects that are watched. Any event of a subject ends its silence.
        kinds: Vec<Kind>,
    },
}

/// A rule about the values of events.
#[derive(Clone, Debug, PartialEq)]
pub struct Watched {
    /// The contract whose events are read.
    pub contract: Arc<str>,
    /// The parts of all conditions. Each part belongs to one condition.
    pub parts: Vec<Part>,
    /// The condition.
    pub when: Condition,
    /// How long the condition holds before an episode opens.
    pub lasting: Lasting,
    /// What closes an episode.
    pub clear: Clear,
    /// What raises the severity.
    pub raises: Vec<(Severity, Condition)>,
}

/// For how long a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasting {
    /// For so many events in a row that have a value for it.
    Events(u32),
    /// From one event to a later one, at least so many seconds apart.
    Seconds(i64),
}

/// What closes an episode.
#[derive(Clone, Debug, PartialEq)]
pub enum Clear {
    /// The condition of the rule no longer holds.
    NotWhen(Lasting),
    /// Another condition holds, while that of the rule does not.
    When(Condition, Lasting),
    /// The condition of the rule did not hold for more than so many seconds.
    Quiet(i64),
}

/// The rules of a tenant from one time on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleVersion {
    /// The number of the version, from 1.
    pub number: u32,
    /// From when on the version is in force.
    pub starts_at: Option<Timestamp>,
    /// The rules by their names.
    pub rules: BTreeMap<Arc<str>, Arc<Rule>>,
}

/// The versions of a tenant's rules, in the order of their start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleVersions(Vec<RuleVersion>);

impl Watched {
    /// The parts of `when`.
    pub(super) fn when_parts(&self) -> Parts {
        self.when.parts()
    }

    /// The parts of `clear`. They are read from the opening of an episode to its end.
    pub(super) fn clear_parts(&self) -> Parts {
        match &self.clear {
            Clear::When(condition, _) => condition.parts(),
            Clear::NotWhen(_) | Clear::Quiet(_) => 0,
        }
    }

    /// The parts that are remembered while the rule is off. A value that every reading of the condition brings
    /// is not among them.
    pub(super) fn remembered(&self) -> Parts {
        let raising = self.raises.iter().fold(0, |parts, (_, one)| parts | one.parts());
        match &self.when {
            Condition::Part(number) => {
                let source = self.parts.get(*number).map(|part| &part.source);
                let others = self.parts.iter().enumerate();
                let others = others.filter(|(_, part)| Some(&part.source) != source);
                raising & others.fold(0, |parts, (other, _)| parts | bit(other))
            }
            combined => raising | combined.parts(),
        }
    }
}

impl RuleVersions {
    /// Versions in any order.
    pub fn new(mut versions: Vec<RuleVersion>) -> Self {
        versions.sort_by_key(|version| (version.starts_at, version.number));
        Self(versions)
    }

    /// The version that reads an entry with these times; `None`: there were no rules yet.
    pub fn reading(&self, observed_at: Timestamp, ingested_at: Timestamp) -> Option<&RuleVersion> {
        let at = observed_at.min(ingested_at);
        self.0.iter().rev().find(|version| version.starts_at <= Some(at))
    }

    /// The versions without the rules about the absence of other kinds of subjects.
    #[must_use]
    pub fn of_kind(&self, kind: &Kind) -> Self {
        self.retained(|rule| match &rule.watch {
            Watch::Values { .. } => true,
            Watch::Absence { kinds, .. } => kinds.contains(kind),
        })
    }

    /// The versions without the rules about absence.
    #[must_use]
    pub fn without_absences(&self) -> Self {
        self.retained(|rule| matches!(rule.watch, Watch::Values { .. }))
    }

    fn retained(&self, is_retained: impl Fn(&Rule) -> bool) -> Self {
        let versions = self.0.iter().map(|version| {
            let mut version = version.clone();
            version.rules.retain(|_, rule| is_retained(rule));
            version
        });
        Self(versions.collect())
    }

    /// The versions, each with the start of the next one.
    pub(super) fn with_ends(&self) -> impl Iterator<Item = (&RuleVersion, Option<Timestamp>)> {
        let ends = self.0.iter().skip(1).map(|version| version.starts_at);
        self.0.iter().zip(ends.chain([None]))
    }

    /// The number of the version that reads an entry with these times; 0: there were no rules yet.
    pub fn number(&self, observed_at: Timestamp, ingested_at: Timestamp) -> u32 {
        self.reading(observed_at, ingested_at).map_or(0, |version| version.number)
    }

    /// The newest version.
    pub fn newest(&self) -> Option<&RuleVersion> {
        self.0.last()
    }
}
