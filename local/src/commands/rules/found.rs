//! What `drover rules try` found in the records.

use std::collections::BTreeMap;
use std::sync::Arc;

use drover_core::base::id::SubjectId;
use drover_core::base::time::Timestamp;
use drover_core::intake::rules::{Declared, Rules};
use drover_core::view::rules::Episode;

/// What was found.
pub(super) struct Found {
    pub(super) rules: Rules,
    /// The specs of measures, for their units.
    pub(super) contracts: BTreeMap<String, Declared>,
    pub(super) subjects: Vec<Subject>,
    /// A line for each record that is rejected.
    pub(super) rejected: Vec<String>,
    /// The elements that a contract ignores, and the events that came twice.
    pub(super) ignored: usize,
    pub(super) duplicates: usize,
}

/// The episodes of one subject.
pub(super) struct Subject {
    pub(super) id: SubjectId,
    pub(super) events: usize,
    pub(super) episodes: Vec<Episode>,
    /// The rules that find the subject silent, and from when on, if no event follows.
    pub(super) silent: Vec<(Arc<str>, Timestamp)>,
}
