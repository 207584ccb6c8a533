//! Conditions of rules. A *part* compares one value of an entry. A condition is one part, or combines several.
//!
//! A part holds or not as of the last entry that had a value for it, so parts may be read from different events.
//! A part that was never read does not hold.

use std::borrow::Cow;
use std::sync::Arc;

use jsonptr::PointerBuf;
use serde::{Deserialize, Serialize};

use crate::base::hash::fnv1a;
use crate::base::limits;
use crate::event::Entry;
use crate::view::payload::{Found, Payload};
use crate::view::spec::ViewSpec;
use crate::view::units;

/// A set of parts of a rule, one bit each.
pub(super) type Parts = u16;

const _: () = assert!(limits::RULE_PARTS <= Parts::BITS as usize);

/// One value of an entry, and what it is compared with.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The value.
    pub source: Source,
    /// The comparison.
    pub test: Test,
}

/// Where a part reads its value.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A measure that the contract declares.
    Measure {
        /// Its name.
        name: Arc<str>,
        /// The unit of the rule's numbers; `None`: the unit of the contract.
        unit: Option<Arc<str>>,
    },
    /// The status.
    Status,
    /// A text in the payload.
    Text(PointerBuf),
}

/// A comparison.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// A number within bounds.
    Within(Range),
    /// One of these texts.
    Is(Vec<Arc<str>>),
    /// None of these texts.
    IsNot(Vec<Arc<str>>),
    /// Another value than before.
    Changes,
}

/// Bounds of a number. At least one of them is set.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Range {
    /// The lower bound.
    pub lower: Option<Bound>,
    /// The upper bound.
    pub upper: Option<Bound>,
}

/// One end of a range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// Without the number itself.
    Open(f64),
    /// With the number.
    Closed(f64),
}

/// How the parts of a rule are combined. A part is named by its number in the rule.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// One part holds.
    Part(usize),
    /// All of these hold.
    All(Vec<Condition>),
    /// At least one of these holds.
    Any(Vec<Condition>),
}

/// The value that an episode shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// A number.
    Number(f64),
    /// A text, cut to [`limits::STATUS_BYTES`].
    Text(Arc<str>),
}

/// A value in an entry.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reading<'a> {
    Number(f64),
    Text(Cow<'a, str>),
}

impl Part {
    /// The value of this part in an entry, if the entry has one.
    pub(super) fn find<'a>(&self, entry: &'a Entry, spec: &ViewSpec) -> Option<Reading<'a>> {
        let payload = Payload(&entry.payload);
        match &self.source {
            Source::Measure { name, unit } => {
                let (number, from) = spec.number(name, entry)?;
                let number = match (unit, from) {
                    (Some(to), Some(from)) => units::converted(number, from, to)?,
                    (Some(_) | None, _) => number,
                };
                Some(Reading::Number(number))
            }
            Source::Status => {
                let spec = spec.status.as_ref().filter(|spec| spec.reads(&entry.event_type))?;
                let text = text(payload.find(&spec.path)?)?;
                (text.len() <= limits::STATUS_BYTES).then_some(Reading::Text(text))
            }
            Source::Text(path) => text(payload.find(path)?).map(Reading::Text),
        }
    }

    /// Whether a value passes. `before` is the digest of the value before it.
    pub(super) fn holds(&self, value: &Reading<'_>, before: Option<u64>) -> bool {
        match (&self.test, value) {
            (Test::Within(range), Reading::Number(number)) => range.contains(*number),
            (Test::Is(texts), Reading::Text(text)) => is_among(texts, text),
            (Test::IsNot(texts), Reading::Text(text)) => !is_among(texts, text),
            (Test::Changes, value) => before.is_some_and(|before| before != value.digest()),
            (Test::Within(_), Reading::Text(_)) | (Test::Is(_) | Test::IsNot(_), _) => false,
        }
    }
}

impl Range {
    /// Whether a number is within both bounds.
    pub fn contains(&self, number: f64) -> bool {
        let above = match self.lower {
            None => true,
            Some(Bound::Open(bound)) => number > bound,
            Some(Bound::Closed(bound)) => number >= bound,
        };
        let below = match self.upper {
            None => true,
            Some(Bound::Open(bound)) => number < bound,
            Some(Bound::Closed(bound)) => number <= bound,
        };
        above && below
    }
}

impl Condition {
    /// Whether the condition holds while exactly these parts hold.
    pub(super) fn holds(&self, holding: Parts) -> bool {
        match self {
            Self::Part(number) => holding & bit(*number) != 0,
            Self::All(inner) => inner.iter().all(|one| one.holds(holding)),
            Self::Any(inner) => inner.iter().any(|one| one.holds(holding)),
        }
    }

    /// The parts that the condition combines.
    pub(super) fn parts(&self) -> Parts {
        match self {
            Self::Part(number) => bit(*number),
            Self::All(inner) | Self::Any(inner) => {
                inner.iter().fold(0, |parts, one| parts | one.parts())
            }
        }
    }
}

impl Reading<'_> {
    /// Tells values apart, for `changes`.
    pub(super) fn digest(&self) -> u64 {
        match self {
            // 0 and -0 are one number.
            Self::Number(number) => (number + 0.0).to_bits(),
            Self::Text(text) => fnv1a(text.as_bytes()),
        }
    }

    pub(super) fn shown(&self) -> Value {
        match self {
            Self::Number(number) => Value::Number(*number),
            Self::Text(text) => {
                let end = text.floor_char_boundary(limits::STATUS_BYTES);
                Value::Text(Arc::from(text.get(..end).unwrap_or_default()))
            }
        }
    }
}

/// The set of one part.
pub(super) fn bit(part: usize) -> Parts {
    u32::try_from(part).ok().and_then(|part| 1u16.checked_shl(part)).unwrap_or(0)
}

fn is_among(texts: &[Arc<str>], text: &str) -> bool {
    texts.iter().any(|one| **one == *text)
}

fn text(found: Found<'_>) -> Option<Cow<'_, str>> {
    match found {
        Found::Text(text) => Some(text),
        Found::Number(_) | Found::Null | Found::Other => None,
    }
}
