//! Checks rules with the contracts that they name, and makes of both a version for the fold.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::compile::{Meaning, Rules};
use crate::base::id::Kind;
use crate::base::time::Timestamp;
use crate::intake::contract::Contract;
use crate::intake::fault::{Fault, Faults};
use crate::view::rules::{Rule, RuleVersion, Source, Watch, Watched};
use crate::view::{ViewSpec, units};

/// What a contract declares, as far as rules are concerned.
#[derive(Clone, Debug, PartialEq)]
pub struct Declared {
    /// The kinds of its subjects.
    pub kinds: Vec<Kind>,
    /// The measures and the status.
    pub spec: Arc<ViewSpec>,
}

impl Declared {
    /// What a compiled contract declares.
    pub fn by(contract: &Contract) -> Self {
        Self { kinds: contract.kinds(), spec: contract.view_spec() }
    }
}

impl Rules {
    /// Checks the rules with contracts by name.
    ///
    /// # Errors
    /// Every fault, with its path: an unknown contract or measure, or a unit that cannot be converted.
    pub fn against(&self, contracts: &BTreeMap<String, Declared>) -> Result<(), Vec<Fault>> {
        let mut faults = Faults::default();
        for (index, (rule, meaning)) in self.document.rules.iter().zip(&self.meanings).enumerate() {
            let Some(declared) = contracts.get(&rule.contract) else {
                let path = format!("/rules/{index}/contract");
                faults.add(path, "no contract has this name");
                continue;
            };
            check_parts(meaning, &declared.spec, &mut faults);
        }
        faults.or(Some(()))
    }

    /// The rules for the fold, in force from a time on (`None`: always). `kinds` are the kinds of each contract's
    /// subjects.
    pub fn version(
        &self,
        number: u32,
        starts_at: Option<Timestamp>,
        kinds: &BTreeMap<String, Vec<Kind>>,
    ) -> RuleVersion {
        let rules = self.document.rules.iter().zip(&self.meanings).map(|(rule, meaning)| {
            let id = Arc::clone(&meaning.id);
            let compiled = match &meaning.watched {
                Some(watched) => Rule::new(Arc::clone(&id), meaning.severity, watched.clone()),
                None => {
                    let seconds = rule.absent.map_or(0, |absent| absent.seconds.into());
                    let kinds = kinds.get(&rule.contract).cloned().unwrap_or_default();
                    let (id, severity) = (Arc::clone(&id), meaning.severity);
                    Rule { id, severity, watch: Watch::Absence { seconds, kinds } }
                }
            };
            (id, Arc::new(compiled))
        });
        RuleVersion { number, starts_at, rules: rules.collect() }
    }
}

/// The rules for the fold, always in force, once they are checked with contracts.
///
/// # Errors
/// As for [`Rules::against`].
pub fn compiled_against(
    rules: &Rules,
    contracts: &BTreeMap<String, Declared>,
) -> Result<RuleVersion, Vec<Fault>> {
    rules.against(contracts)?;
    let kinds = contracts.iter().map(|(name, one)| (name.clone(), one.kinds.clone()));
    Ok(rules.version(0, None, &kinds.collect()))
}

fn check_parts(meaning: &Meaning, spec: &ViewSpec, faults: &mut Faults) {
    let Meaning { watched: Some(Watched { parts, .. }), paths, .. } = meaning else { return };
    for (part, path) in parts.iter().zip(paths) {
        match &part.source {
            Source::Text(_) => {}
            Source::Status if spec.status.is_some() => {}
            Source::Status => faults.add(path, "the contract has no status"),
            Source::Measure { name, unit } => measure(name, unit.as_deref(), spec, path, faults),
        }
    }
}

fn measure(name: &str, unit: Option<&str>, spec: &ViewSpec, path: &str, faults: &mut Faults) {
    let Some(declared) = spec.measures.iter().find(|measure| *measure.name == *name) else {
        let mut names: Vec<&str> = spec.measures.iter().map(|measure| &*measure.name).collect();
        names.extend(spec.status.as_ref().map(|_| super::conditions::STATUS));
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        let message = format!("the contract has no measure `{name}`; it has: {names}");
        return faults.add(path, message);
    };
    match (unit, declared.unit.as_deref()) {
        (None, _) => {}
        (Some(unit), Some(declared)) if units::converted(0.0, declared, unit).is_some() => {}
        (Some(unit), Some(declared)) => {
            let message = format!(
                "the contract has `{name}` in `{declared}`, which does not convert to `{unit}`"
            );
            faults.add(path, message);
        }
        (Some(unit), None) => {
            let message = format!(
                "the contract has `{name}` without a unit, so `{unit}` means nothing here: leave it out"
            );
            faults.add(path, message);
        }
    }
}
