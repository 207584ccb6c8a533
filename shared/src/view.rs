//! A view is the fold of a subject's entries, in order, by the units. Each unit is one
//! deterministic calculation in a file of its own; none reads a clock, and none sees arrival
//! order, so one history gives one view, byte for byte.
//!
//! What a unit reads from a payload is said by the contract that the entry passed ([`ViewSpec`]);
//! paths are relative to the payload, because the payload is all that history keeps. Alert rules
//! are a later unit.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::Entry;
use crate::time::Timestamp;

/// What the units read from the payloads of one contract.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ViewSpec {
    /// Numbers whose statistics are kept.
    pub measures: Vec<MeasureSpec>,
}

/// A number in the payload whose statistics are kept.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasureSpec {
    /// Its name in the view.
    pub name: Arc<str>,
    /// Entries ingested from here on are read; `None`: all. A measure that is added to a
    /// contract later must not depend on which pages happened to be folded again.
    pub since: Option<Timestamp>,
}

/// The specs of every contract that a subject's entries passed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Specs {
    /// The registry revision that these are at least as new as.
    pub revision: u64,
    /// By the name of the contract. A contract that no longer exists has an empty spec.
    pub by_contract: BTreeMap<Arc<str>, Arc<ViewSpec>>,
}

impl Specs {
    /// The names of contracts among `entries` whose spec is not here.
    pub fn missing<'a>(&self, entries: impl IntoIterator<Item = &'a Arc<Entry>>) -> Vec<Arc<str>> {
        let mut names: Vec<Arc<str>> = Vec::new();
        for entry in entries {
            if !self.by_contract.contains_key(&entry.contract) && !names.contains(&entry.contract) {
                names.push(Arc::clone(&entry.contract));
            }
        }
        names
    }
}

/// One entry as the units see it.
pub struct Reading<'a> {
    /// The entry itself.
    pub entry: &'a Entry,
    /// Its payload, parsed once for all units.
    pub payload: &'a Value,
    /// What its contract says about the payload.
    pub spec: &'a ViewSpec,
}

/// One deterministic calculation of a view.
pub trait Unit {
    /// Takes the next entry in order.
    fn apply(&mut self, reading: &Reading<'_>);
}

/// The state of a subject after some of its history.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// Entries folded so far.
    pub event_count: u64,
    /// When the first of them was observed.
    pub first_observed_at: Option<Timestamp>,
    /// When the last of them was observed.
    pub last_observed_at: Option<Timestamp>,
}

impl View {
    /// Folds the next entry in. An entry of a contract without a spec still counts.
    pub fn apply(&mut self, entry: &Entry, _specs: &Specs) {
        self.event_count += 1;
        self.first_observed_at.get_or_insert(entry.position.observed_at);
        self.last_observed_at = Some(entry.position.observed_at);
    }
}

/// The view after `entries`, which come next after `view`.
pub fn fold<'a>(
    mut view: View,
    entries: impl IntoIterator<Item = &'a Arc<Entry>>,
    specs: &Specs,
) -> View {
    for entry in entries {
        view.apply(entry, specs);
    }
    view
}
