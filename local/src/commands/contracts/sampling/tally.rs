//! Counts of outcomes, with the place of the first of each.

use std::collections::BTreeMap;

use drover_core::base::error::{Code, Rejection};
use drover_core::pipeline::sample::{SampleOutcome, Sampled};

/// What records or elements become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Accepted,
    Ignored,
    Rejected,
}

/// The outcomes of a sample.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// The number of records that were read.
    pub(super) records: u64,
    /// Whether all were read that were wanted.
    pub(super) complete: bool,
    groups: BTreeMap<(Kind, Option<&'static str>), Group>,
}

/// Outcomes of one kind and code.
#[derive(Debug)]
pub(super) struct Group {
    /// How many records or elements.
    pub(super) count: u64,
    /// The first of them.
    pub(super) example: Example,
}

/// A record or element, without its content.
#[derive(Debug)]
pub(super) struct Example {
    pub(super) partition: i32,
    pub(super) offset: i64,
    /// From 0; `None`: the whole record.
    pub(super) element: Option<u32>,
    /// Why it was rejected.
    pub(super) rejection: Option<Rejection>,
}

impl Tally {
    /// Counts a record with the outcomes of its parts.
    pub(super) fn add(&mut self, partition: i32, offset: i64, parts: Vec<Sampled>) {
        self.records += 1;
        for Sampled { element, outcome } in parts {
            let (kind, rejection) = match outcome {
                SampleOutcome::Accepted => (Kind::Accepted, None),
                SampleOutcome::Ignored => (Kind::Ignored, None),
                SampleOutcome::Rejected(rejection) => (Kind::Rejected, Some(rejection)),
            };
            let code = rejection.as_ref().map(|rejection| Code::as_str(rejection.code));
            let example = Example { partition, offset, element, rejection };
            self.groups.entry((kind, code)).or_insert(Group { count: 0, example }).count += 1;
        }
    }

    /// The number of records or elements of a kind.
    pub(super) fn count(&self, kind: Kind) -> u64 {
        let of_kind = self.groups.iter().filter(|((found, _), _)| *found == kind);
        of_kind.map(|(_, group)| group.count).sum()
    }

    /// Each kind and code that occurred.
    pub(super) fn groups(&self) -> impl Iterator<Item = (Kind, Option<&'static str>, &Group)> {
        self.groups.iter().map(|((kind, code), group)| (*kind, *code, group))
    }
}
