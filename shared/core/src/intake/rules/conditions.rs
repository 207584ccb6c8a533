//! Compiles the conditions of one rule. The parts of all of them are numbered together.

use std::sync::Arc;

use jsonptr::PointerBuf;

use super::document::{
    ClearDocument, ConditionDocument, LastingDocument, RuleDocument, TextsDocument,
};
use crate::base::limits;
use crate::intake::fault::{Faults, too_many};
use crate::view::rules::{Bound, Clear, Condition, Lasting, Part, Range, Source, Test};

/// The name by which rules speak of the status.
pub(super) const STATUS: &str = "status";

/// What one rule's conditions have in common.
pub(super) struct Conditions<'a> {
    pub(super) rule: &'a RuleDocument,
    pub(super) parts: Vec<Part>,
    /// Where each part is in the document.
    pub(super) paths: Vec<String>,
}

impl Conditions<'_> {
    /// Compiles a condition and numbers its parts.
    pub(super) fn condition(
        &mut self,
        document: &ConditionDocument,
        path: &str,
        faults: &mut Faults,
    ) -> Option<Condition> {
        self.nested(document, path, 1, faults)
    }

    fn nested(
        &mut self,
        document: &ConditionDocument,
        path: &str,
        depth: usize,
        faults: &mut Faults,
    ) -> Option<Condition> {
        let (name, list) = match (&document.all, &document.any) {
            (None, None) => return self.part(document, path, faults),
            (Some(list), None) => ("all", list),
            (None, Some(list)) => ("any", list),
            (Some(_), Some(_)) => {
                faults.add(path, "expected all or any, not both: put one into the other");
                return None;
            }
        };
        let alone = ConditionDocument { all: None, any: None, ..document.clone() };
        if alone != ConditionDocument::default() {
            let what = format!("{name} stands alone: put the other members into its conditions");
            faults.add(path, what);
            return None;
        }
        if depth > limits::CONDITION_DEPTH {
            let limit = limits::CONDITION_DEPTH;
            faults.add(path, format!("all and any are nested too deeply: limit=`{limit}`"));
            return None;
        }
        let mut inner = Vec::with_capacity(list.len());
        for (index, one) in list.iter().enumerate() {
            inner.push(self.nested(one, &format!("{path}/{name}/{index}"), depth + 1, faults));
        }
        let inner: Vec<Condition> = inner.into_iter().collect::<Option<_>>()?;
        Some(if name == "all" { Condition::All(inner) } else { Condition::Any(inner) })
    }

    fn part(
        &mut self,
        document: &ConditionDocument,
        path: &str,
        faults: &mut Faults,
    ) -> Option<Condition> {
        let (test, source) = (test(document, path, faults), self.source(document, path, faults));
        let (test, source) = (test?, source?);
        let is_number = matches!(source, Source::Measure { .. });
        match (&test, is_number) {
            (Test::Within(_), false) => {
                faults.add(path, "a text is compared by is, is_not or changes");
            }
            (Test::Is(_) | Test::IsNot(_), true) => {
                faults.add(
                    path,
                    "a number is compared by above, below, at_least, at_most or changes",
                );
            }
            (Test::Within(_) | Test::Changes, true)
            | (Test::Is(_) | Test::IsNot(_) | Test::Changes, false) => {}
        }
        self.parts.push(Part { source, test });
        self.paths.push(path.to_owned());
        Some(Condition::Part(self.parts.len() - 1))
    }

    /// The value that a comparison reads: its own, or that of the rule.
    fn source(
        &self,
        document: &ConditionDocument,
        path: &str,
        faults: &mut Faults,
    ) -> Option<Source> {
        let own = (document.measure.as_deref(), document.text.as_deref());
        let usual = (self.rule.measure.as_deref(), self.rule.text.as_deref());
        let (measure, text) = if own == (None, None) { usual } else { own };
        // The unit of the rule belongs to the measure of the rule.
        let usual_unit = self.rule.unit.as_ref().filter(|_| measure == usual.0);
        let unit = document.unit.as_ref().or(usual_unit);
        match (measure, text) {
            (None, None) => {
                faults.add(path, "expected measure or text, here or in the rule");
                None
            }
            (Some(_), Some(_)) => {
                faults.add(path, "expected measure or text, not both");
                None
            }
            (None, Some(_)) | (Some(STATUS), None) if unit.is_some() => {
                faults.add(path, "a text has no unit");
                None
            }
            (Some(STATUS), None) => Some(Source::Status),
            (Some(name), None) => {
                let (name, unit) = (Arc::from(name), unit.map(|unit| Arc::from(unit.as_str())));
                Some(Source::Measure { name, unit })
            }
            (None, Some(text)) => {
                let pointer = PointerBuf::parse(text)
                    .map_err(|_| "expected a JSON Pointer into the payload, such as /mode");
                let path = format!("{path}/text");
                faults.take(&path, pointer).map(Source::Text)
            }
        }
    }

    /// What closes an episode.
    pub(super) fn clear(
        &mut self,
        document: Option<&ClearDocument>,
        path: &str,
        faults: &mut Faults,
    ) -> Option<Clear> {
        let Some(document) = document else { return Some(Clear::NotWhen(Lasting::Events(1))) };
        let is_plain = document.condition == ConditionDocument::default();
        if let Some(seconds) = document.after_seconds {
            if !is_plain || document.lasting.is_some() {
                faults.add(path, "after_seconds stands alone");
                return None;
            }
            return Some(Clear::Quiet(seconds.into()));
        }
        let lasting = lasting(document.lasting, &format!("{path}/for"), faults);
        if is_plain {
            if document.lasting.is_none() {
                faults.add(path, "expected a condition, for or after_seconds");
            }
            return Some(Clear::NotWhen(lasting?));
        }
        let condition = self.condition(&document.condition, path, faults);
        Some(Clear::When(condition?, lasting?))
    }

    /// The limits of all conditions together.
    pub(super) fn check(&self, when: Option<&Condition>, path: &str, faults: &mut Faults) {
        let (count, limit) = (self.parts.len(), limits::RULE_PARTS);
        if count > limit {
            faults.add(path, too_many("comparisons", count, limit));
        }
        let changing = self.parts.iter().enumerate();
        let mut changing = changing.filter(|(_, part)| part.test == Test::Changes);
        let is_of_when = |number| when.is_some_and(|when| has_part(when, number));
        let message = "changes is for one comparison of when";
        if let Some((number, _)) = changing.next()
            && !is_of_when(number)
        {
            faults.add(self.paths.get(number).map_or(path, String::as_str), message);
        }
        if let Some((number, _)) = changing.next() {
            faults.add(self.paths.get(number).map_or(path, String::as_str), message);
        }
    }
}

fn has_part(condition: &Condition, part: usize) -> bool {
    match condition {
        Condition::Part(number) => *number == part,
        Condition::All(inner) | Condition::Any(inner) => {
            inner.iter().any(|one| has_part(one, part))
        }
    }
}

/// For how long a condition holds; absent: one event.
pub(super) fn lasting(
    document: Option<LastingDocument>,
    path: &str,
    faults: &mut Faults,
) -> Option<Lasting> {
    let Some(LastingDocument { events, seconds }) = document else {
        return Some(Lasting::Events(1));
    };
    match (events, seconds) {
        (Some(events), None) => Some(Lasting::Events(events)),
        (None, Some(seconds)) => Some(Lasting::Seconds(seconds.into())),
        (None, None) | (Some(_), Some(_)) => {
            faults.add(path, "expected events or seconds, and one of them only");
            None
        }
    }
}

fn test(document: &ConditionDocument, path: &str, faults: &mut Faults) -> Option<Test> {
    let range = range(document, path, faults)?;
    let texts = |texts: &TextsDocument| match texts {
        TextsDocument::One(text) => vec![Arc::from(text.as_str())],
        TextsDocument::Several(texts) => {
            texts.iter().map(|text| Arc::from(text.as_str())).collect()
        }
    };
    let has_range = range != Range::default();
    match (has_range, &document.is, &document.is_not, document.changes) {
        (true, None, None, false) => Some(Test::Within(range)),
        (false, Some(is), None, false) => Some(Test::Is(texts(is))),
        (false, None, Some(is_not), false) => Some(Test::IsNot(texts(is_not))),
        (false, None, None, true) => Some(Test::Changes),
        (false, None, None, false) => {
            let what = "expected a comparison: above, below, at_least, at_most, is, is_not, changes, all or any";
            faults.add(path, what);
            None
        }
        _ => {
            faults.add(path, "expected one kind of comparison: combine several by all or any");
            None
        }
    }
}

fn range(document: &ConditionDocument, path: &str, faults: &mut Faults) -> Option<Range> {
    let ConditionDocument { above, at_least, below, at_most, .. } = document;
    if above.is_some() && at_least.is_some() || below.is_some() && at_most.is_some() {
        faults.add(path, "expected one lower and one upper bound");
        return None;
    }
    let lower = above.map(Bound::Open).or(at_least.map(Bound::Closed));
    let upper = below.map(Bound::Open).or(at_most.map(Bound::Closed));
    let is_empty = match (lower, upper) {
        (Some(Bound::Closed(lower)), Some(Bound::Closed(upper))) => lower > upper,
        (
            Some(Bound::Open(lower) | Bound::Closed(lower)),
            Some(Bound::Open(upper) | Bound::Closed(upper)),
        ) => lower >= upper,
        (None, _) | (_, None) => false,
    };
    if is_empty {
        faults
            .add(path, "no number is within these bounds: use any for numbers outside of a range");
        return None;
    }
    Some(Range { lower, upper })
}
