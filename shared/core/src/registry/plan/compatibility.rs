//! The compatibility of a contract's next version with its current version, as a schema registry has it:
//! *backward* (the next version accepts every record that the current version accepts), *forward* (the other
//! way round), both (*full*), or none.
//!
//! A tenant or topic may ask for a level for the contract that its document names. If several ask, the next
//! version must satisfy all of them; if nobody asks, it must be compatible backward. Fields of the identity
//! (subject, tenant, time, event id) are checked separately (`identity`).

use std::fmt;

use serde_json::{Value, json};

use crate::intake::contract::{
    ContractDocument, IgnoreDocument, MeasureDocument, SourceDocument, Syntax,
};
use crate::intake::fault::Fault;
use crate::intake::schema::child;
use crate::intake::schema::subset::{self, Verdict};
use crate::intake::tenant::Compatibility;

/// Which incompatible versions the caller accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Incompatibilities {
    /// Versions that reject records which must be accepted.
    pub rejecting: bool,
    /// Versions of which that cannot be decided.
    pub undecided: bool,
}

/// The required directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Required {
    backward: bool,
    forward: bool,
}

impl Required {
    /// The union of what tenants and topics ask for.
    pub(super) fn by(asked: impl IntoIterator<Item = Compatibility>) -> Self {
        let mut asked = asked.into_iter().peekable();
        if asked.peek().is_none() {
            return Self { backward: true, forward: false };
        }
        asked.fold(Self { backward: false, forward: false }, |required, one| Self {
            backward: required.backward
                || matches!(one, Compatibility::Backward | Compatibility::Full),
            forward: required.forward
                || matches!(one, Compatibility::Forward | Compatibility::Full),
        })
    }
}

/// Which records a version must accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Backward,
    Forward,
}

impl fmt::Display for Direction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Backward => "backward",
            Self::Forward => "forward",
        })
    }
}

/// Measures whose unit would change: the statistics of a view would mix two units.
pub(super) fn unit_changes(old: &ContractDocument, new: &ContractDocument) -> Vec<Fault> {
    let changed = new.measures.iter().enumerate().filter_map(|(index, measure)| {
        let before = old.measures.iter().find(|old| old.name == measure.name)?.unit.as_ref()?;
        let is_same = measure.unit.as_ref() == Some(before);
        (!is_same).then(|| {
            let message = "the statistics of a view would mix two units; give the measure another name, or \
                           apply it with --allow unit-change";
            Fault::new(format!("/measures/{index}/unit"), message)
        })
    });
    changed.collect()
}

/// The refused differences between two versions.
pub(super) fn faults(
    old: &ContractDocument,
    new: &ContractDocument,
    required: Required,
    accepted: Incompatibilities,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (is_required, direction) in
        [(required.backward, Direction::Backward), (required.forward, Direction::Forward)]
    {
        if !is_required {
            continue;
        }
        let (from, to) = match direction {
            Direction::Backward => (old, new),
            Direction::Forward => (new, old),
        };
        let mut comparison = Comparison::default();
        comparison.contracts(from, to);
        let refused = comparison.found.into_iter().filter(|found| match found.verdict {
            Verdict::Rejects => !accepted.rejecting,
            Verdict::Undecided => !accepted.undecided,
        });
        faults.extend(refused.map(|found| found.fault(direction)));
    }
    faults
}

struct Finding {
    path: String,
    verdict: Verdict,
    reason: String,
}

impl Finding {
    fn fault(self, direction: Direction) -> Fault {
        let (whose, remedy) = match (direction, self.verdict) {
            (Direction::Backward, Verdict::Rejects) => {
                ("records of the current version are rejected by the next", "incompatible")
            }
            (Direction::Forward, Verdict::Rejects) => {
                ("records of the next version are rejected by the current", "incompatible")
            }
            (_, Verdict::Undecided) => {
                ("it cannot be decided whether records are rejected", "undecided")
            }
        };
        let reason = self.reason;
        let message = format!(
            "not {direction} compatible: {whose}: {reason}; apply it with --allow {remedy}, or give the \
             contract another name"
        );
        Fault::new(self.path, message)
    }
}

/// Collects the reasons why `to` may reject a record that `from` accepts.
#[derive(Default)]
struct Comparison {
    found: Vec<Finding>,
}

impl Comparison {
    fn contracts(&mut self, from: &ContractDocument, to: &ContractDocument) {
        let program =
            |one: &ContractDocument| one.transform.as_ref().map(|it| it.program().into_owned());
        if program(from) != program(to) {
            // What follows reads other elements.
            let reason = "the transform has changed, and where it numbers elements otherwise, those without an \
                          event id count twice when they are delivered again";
            return self.undecided("/transform", reason);
        }
        if from.array != to.array {
            self.undecided("/array", "a posted array is read in another way");
        }
        if from.syntax == Syntax::Lenient && to.syntax == Syntax::Strict {
            self.rejects("/syntax", "bare NaN and Infinity were accepted");
        }
        self.ignored(&from.ignore, &to.ignore);
        self.measures(&from.measures, &to.measures);
        self.fields(from, to, "");
        self.variants(from, to);
    }

    fn fields(&mut self, from: &ContractDocument, to: &ContractDocument, at: &str) {
        let at = |field: &str| format!("{at}{field}");
        self.source(&from.event_type, &to.event_type, &at("/type"));
        self.source(&from.payload.source, &to.payload.source, &at("/payload"));
        let any = Value::Bool(true);
        let (before, after) = (from.schema.as_ref(), to.schema.as_ref());
        let differences = subset::differences(before.unwrap_or(&any), after.unwrap_or(&any));
        self.found.extend(differences.into_iter().map(|one| Finding {
            path: at("/schema") + &one.path,
            verdict: one.verdict,
            reason: one.reason,
        }));
    }

    /// A source that finds something in every record in which the other one does.
    fn source(&mut self, from: &SourceDocument, to: &SourceDocument, path: &str) {
        let alternatives = |source: &SourceDocument| match source.first.as_slice() {
            [] => vec![json!(SourceDocument { default: None, ..source.clone() })],
            several => several.iter().map(|one| json!(one)).collect(),
        };
        let has_constant = |source: &SourceDocument| {
            source.constant.is_some() || source.first.iter().any(|one| one.constant.is_some())
        };
        let (before, after) = (alternatives(from), alternatives(to));
        let is_given = |source: &SourceDocument| source.default.is_some() || has_constant(source);
        if after == before {
            if is_given(from) && !is_given(to) {
                self.rejects(path, "records without this field were accepted");
            }
        // What stands at a new place may be rejected where a default was used so far.
        } else if !after.starts_with(&before) || is_given(from) {
            self.undecided(path, "this field is read from another place");
        }
    }

    fn ignored(&mut self, from: &[IgnoreDocument], to: &[IgnoreDocument]) {
        for (index, rule) in to.iter().enumerate() {
            let known = |old: &&IgnoreDocument| {
                json!(old.source) == json!(rule.source)
                    && rule.values.iter().all(|value| old.values.contains(value))
            };
            if from.iter().find(known).is_none() {
                let path = child("/ignore", &index.to_string());
                self.rejects(&path, "records that are events would be ignored");
            }
        }
    }

    /// A measure rejects a record whose unit cannot be converted.
    fn measures(&mut self, from: &[MeasureDocument], to: &[MeasureDocument]) {
        for (index, measure) in to.iter().enumerate().filter(|(_, one)| one.unit_path.is_some()) {
            let same = |old: &&MeasureDocument| {
                let reads = |one: &MeasureDocument| {
                    (
                        one.path.clone(),
                        one.types.clone(),
                        one.unit.clone(),
                        one.unit_path.clone(),
                        one.text,
                    )
                };
                reads(old) == reads(measure)
            };
            if from.iter().find(same).is_none() {
                let path = format!("/measures/{index}/unit_path");
                self.rejects(&path, "records with a unit that cannot be converted were accepted");
            }
        }
    }

    fn variants(&mut self, from: &ContractDocument, to: &ContractDocument) {
        let conditions = |contract: &ContractDocument| -> Vec<Value> {
            contract.variants.iter().map(|variant| json!(variant.when)).collect()
        };
        if conditions(from) != conditions(to) {
            return self.undecided("/variants", "the variants that apply to a record have changed");
        }
        for (index, (old, new)) in from.variants.iter().zip(&to.variants).enumerate() {
            if json!(old.body) != json!(new.body) {
                self.undecided(
                    &format!("/variants/{index}/body"),
                    "the body is read in another way",
                );
            }
            let reported = self.found.len();
            self.fields(&from.overlaid(old), &to.overlaid(new), &format!("/variants/{index}"));
            self.drop_repeated(reported, &format!("/variants/{index}"));
        }
    }

    /// Drops findings of a variant that the contract itself has, too.
    fn drop_repeated(&mut self, from: usize, prefix: &str) {
        let own = self.found.split_off(from);
        let is_new = |one: &Finding| {
            let path = one.path.strip_prefix(prefix).unwrap_or(&one.path);
            !self.found.iter().any(|known| known.path == path && known.reason == one.reason)
        };
        let own: Vec<Finding> = own.into_iter().filter(is_new).collect();
        self.found.extend(own);
    }

    fn rejects(&mut self, path: &str, reason: &str) {
        self.report(path, Verdict::Rejects, reason);
    }

    fn undecided(&mut self, path: &str, reason: &str) {
        self.report(path, Verdict::Undecided, reason);
    }

    fn report(&mut self, path: &str, verdict: Verdict, reason: &str) {
        self.found.push(Finding { path: path.to_owned(), verdict, reason: reason.to_owned() });
    }
}

#[cfg(test)]
mod tests;
