//! Compiles a document to rules. All faults of a document are reported together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::conditions::{Conditions, lasting};
use super::document::{RuleDocument, RulesDocument, SeverityDocument};
use super::summary::Summary;
use crate::base::id::{Kind, TenantId};
use crate::base::limits;
use crate::base::severity::Severity;
use crate::intake::document;
use crate::intake::fault::{Fault, Faults, too_many};
use crate::intake::schema::child;
use crate::view::rules::{Condition, Watched};

/// The rules of a tenant, checked without the contracts that they name.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// The tenant.
    pub tenant: TenantId,
    /// The document.
    pub document: RulesDocument,
    /// What each rule of the document watches, in the order of the document.
    pub(super) meanings: Vec<Meaning>,
}

/// A rule that is compiled.
#[derive(Clone, Debug, PartialEq)]
pub struct Meaning {
    pub(super) id: Arc<str>,
    pub(super) severity: Severity,
    /// `None`: the rule watches for absence.
    pub(super) watched: Option<Watched>,
    /// Where each part of `watched` is in the document.
    pub(super) paths: Vec<String>,
    /// The line about an alert.
    pub summary: Summary,
}

impl Meaning {
    /// The severity, unless a value raises it.
    pub fn severity(&self) -> Severity {
        self.severity
    }
}

impl Rules {
    /// Checks a document.
    ///
    /// # Errors
    /// Every fault, with its path.
    pub fn check(document: &Value) -> Result<Self, Vec<Fault>> {
        let document = RulesDocument::read(document)?;
        let mut faults = Faults::default();
        let tenant = TenantId::parse(&document.tenant).map_err(|rejection| rejection.message);
        let tenant = faults.take("/tenant", tenant);
        check_numbers(&document, &mut faults);
        let rules = document.rules.iter().enumerate();
        let meanings: Vec<_> = rules
            .map(|(index, rule)| meaning(rule, &format!("/rules/{index}"), &mut faults))
            .collect();
        let meanings: Option<Vec<Meaning>> = meanings.into_iter().collect();
        faults.or(tenant.zip(meanings).map(|(tenant, meanings)| Self {
            tenant,
            document,
            meanings,
        }))
    }

    /// Parses and checks a document.
    ///
    /// # Errors
    /// Every fault, with its path.
    pub fn parse(json: &str) -> Result<Self, Vec<Fault>> {
        Self::check(&document::parse(json)?)
    }

    /// A rule of the document, with its line about an alert.
    pub fn rule(&self, id: &str) -> Option<(&RuleDocument, &Meaning)> {
        let both = self.document.rules.iter().zip(&self.meanings);
        both.into_iter().find(|(rule, _)| rule.id == id)
    }

    /// The names of the contracts that the rules name.
    pub fn contracts(&self) -> BTreeSet<&str> {
        self.document.rules.iter().map(|rule| rule.contract.as_str()).collect()
    }
}

fn check_numbers(document: &RulesDocument, faults: &mut Faults) {
    if document.rules.len() > limits::RULES {
        faults.add("/rules", too_many("rules", document.rules.len(), limits::RULES));
    }
    let (mut ids, mut of_contract) = (BTreeSet::new(), BTreeMap::<&str, usize>::new());
    for (index, rule) in document.rules.iter().enumerate() {
        if !ids.insert(&rule.id) {
            faults.add(format!("/rules/{index}/id"), "two rules have this name");
        }
        let count = of_contract.entry(&rule.contract).or_default();
        *count += 1;
        if *count == limits::RULES_OF_CONTRACT + 1 {
            let limit = limits::RULES_OF_CONTRACT;
            let message = format!("too many rules name this contract: limit=`{limit}`");
            faults.add(format!("/rules/{index}/contract"), message);
        }
    }
}

fn meaning(rule: &RuleDocument, path: &str, faults: &mut Faults) -> Option<Meaning> {
    let summary = rule.summary.as_deref().unwrap_or(Summary::USUAL);
    let summary = faults.take(&format!("{path}/summary"), Summary::parse(summary));
    check_texts(rule, path, faults);
    let id = Arc::from(rule.id.as_str());
    match (&rule.when, rule.absent) {
        (Some(_), None) => {
            let (severity, watched, paths) = watched(rule, path, faults)?;
            Some(Meaning { id, severity, watched: Some(watched), paths, summary: summary? })
        }
        (None, Some(_)) => {
            let severity = absent(rule, path, faults)?;
            Some(Meaning { id, severity, watched: None, paths: Vec::new(), summary: summary? })
        }
        (None, None) | (Some(_), Some(_)) => {
            faults.add(path, "expected when or absent, and one of them only");
            None
        }
    }
}

/// A rule about absence has nothing but its seconds.
fn absent(rule: &RuleDocument, path: &str, faults: &mut Faults) -> Option<Severity> {
    let senseless = [
        ("measure", rule.measure.is_some()),
        ("text", rule.text.is_some()),
        ("unit", rule.unit.is_some()),
        ("for", rule.lasting.is_some()),
        ("clear", rule.clear.is_some()),
    ];
    for (member, _) in senseless.iter().filter(|(_, is_there)| *is_there) {
        faults.add(format!("{path}/{member}"), "a rule with absent does not have this member");
    }
    match &rule.severity {
        SeverityDocument::One(severity) => Some(*severity),
        SeverityDocument::Several(_) => {
            faults.add(format!("{path}/severity"), "a rule with absent has one severity");
            None
        }
    }
}

fn watched(
    rule: &RuleDocument,
    path: &str,
    faults: &mut Faults,
) -> Option<(Severity, Watched, Vec<String>)> {
    let mut conditions = Conditions { rule, parts: Vec::new(), paths: Vec::new() };
    let when = conditions.condition(rule.when.as_ref()?, &format!("{path}/when"), faults);
    let severity = severity(rule, &mut conditions, &format!("{path}/severity"), faults);
    let clear = conditions.clear(rule.clear.as_ref(), &format!("{path}/clear"), faults);
    let lasting = lasting(rule.lasting, &format!("{path}/for"), faults);
    conditions.check(when.as_ref(), path, faults);
    let Conditions { parts, paths, .. } = conditions;
    let (severity, raises) = severity?;
    let contract = Arc::from(rule.contract.as_str());
    let (when, lasting, clear) = (when?, lasting?, clear?);
    Some((severity, Watched { contract, parts, when, lasting, clear, raises }, paths))
}

type Severities = (Severity, Vec<(Severity, Condition)>);

/// The severity without a condition, and those that are higher.
fn severity(
    rule: &RuleDocument,
    conditions: &mut Conditions<'_>,
    path: &str,
    faults: &mut Faults,
) -> Option<Severities> {
    let steps = match &rule.severity {
        SeverityDocument::One(severity) => return Some((*severity, Vec::new())),
        SeverityDocument::Several(steps) => steps,
    };
    let usual: Vec<Severity> =
        steps.iter().filter(|step| step.when.is_none()).map(|step| step.severity).collect();
    let [usual] = usual.as_slice() else {
        faults.add(path, "expected exactly one severity without when");
        return None;
    };
    let mut raises = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let path = format!("{path}/{index}");
        let Some(when) = &step.when else { continue };
        if step.severity <= *usual || raises.iter().any(|(known, _)| *known == step.severity) {
            let what = "expected a severity above that without when, and each only once: info, warning, error, critical";
            faults.add(format!("{path}/severity"), what);
        }
        raises.push((step.severity, conditions.condition(when, &format!("{path}/when"), faults)?));
    }
    Some((*usual, raises))
}

/// The members that only people and targets read.
fn check_texts(rule: &RuleDocument, path: &str, faults: &mut Faults) {
    if Kind::parse(&rule.id).is_err() {
        faults.add(format!("{path}/id"), "a name is 1 to 64 of a-z, 0-9, _ and -");
    }
    let mut targets = BTreeSet::new();
    for (index, target) in rule.targets.iter().enumerate() {
        if !targets.insert(target) {
            faults.add(format!("{path}/targets/{index}"), "the target is named twice");
        }
    }
    let texts =
        [("description", rule.description.as_deref()), ("summary", rule.summary.as_deref())];
    let texts =
        texts.into_iter().filter_map(|(name, text)| Some((format!("{path}/{name}"), text?)));
    let labels = rule.labels.iter();
    let labels = labels.map(|(name, text)| (child(&format!("{path}/labels"), name), text.as_str()));
    for (path, text) in texts.chain(labels) {
        if text.len() > limits::RULE_TEXT_BYTES || text.chars().any(char::is_control) {
            let limit = limits::RULE_TEXT_BYTES;
            let what = format!("expected at most {limit} bytes without control characters");
            faults.add(path, what);
        }
    }
}
