//! A digest of a rule's conditions. What a state remembers of values (which parts hold, how long) belongs to one
//! shape: a version that changes the conditions of a rule starts again, and a version that changes only texts, times
//! or targets goes on.
//!
//! The digest is stored, so what it is made of must never change.

use std::sync::Arc;

use super::condition::{Bound, Condition, Part, Source, Test};
use super::spec::{Clear, Rule, Watch, Watched};
use crate::base::hash::fnv1a;
use crate::base::severity::Severity;

impl Rule {
    /// A rule about values.
    pub fn new(id: Arc<str>, severity: Severity, watched: Watched) -> Self {
        let shape = shape_of(&watched);
        Self { id, severity, watch: Watch::Values { watched: Box::new(watched), shape } }
    }
}

/// The digest of the conditions of a rule.
fn shape_of(watched: &Watched) -> u32 {
    let mut words = vec![watched.contract.to_string()];
    watched.parts.iter().for_each(|part| part_words(part, &mut words));
    condition_words(&watched.when, &mut words);
    for (severity, condition) in &watched.raises {
        words.push(severity.as_str().to_owned());
        condition_words(condition, &mut words);
    }
    match &watched.clear {
        Clear::NotWhen(_) => words.push("not".to_owned()),
        Clear::When(condition, _) => condition_words(condition, &mut words),
        Clear::Quiet(_) => words.push("quiet".to_owned()),
    }
    let mut bytes = Vec::new();
    for word in &words {
        // The length tells `ab`, `c` from `a`, `bc`.
        bytes.extend_from_slice(&(word.len() as u64).to_be_bytes());
        bytes.extend_from_slice(word.as_bytes());
    }
    let [.., a, b, c, d] = fnv1a(&bytes).to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

fn part_words(part: &Part, words: &mut Vec<String>) {
    match &part.source {
        Source::Measure { name, unit } => {
            words.extend(["measure".to_owned(), name.to_string()]);
            words.push(unit.as_deref().unwrap_or_default().to_owned());
        }
        Source::Status => words.push("status".to_owned()),
        Source::Text(path) => words.extend(["text".to_owned(), path.to_string()]),
    }
    match &part.test {
        Test::Within(range) => {
            words.extend([range.lower, range.upper].into_iter().map(bound_word));
        }
        Test::Is(texts) => {
            words.push("is".to_owned());
            words.extend(texts.iter().map(ToString::to_string));
        }
        Test::IsNot(texts) => {
            words.push("is_not".to_owned());
            words.extend(texts.iter().map(ToString::to_string));
        }
        Test::Changes => words.push("changes".to_owned()),
    }
}

fn bound_word(bound: Option<Bound>) -> String {
    match bound {
        None => String::new(),
        Some(Bound::Open(number)) => format!("open {:x}", number.to_bits()),
        Some(Bound::Closed(number)) => format!("closed {:x}", number.to_bits()),
    }
}

fn condition_words(condition: &Condition, words: &mut Vec<String>) {
    let (name, inner) = match condition {
        Condition::Part(number) => return words.push(number.to_string()),
        Condition::All(inner) => ("all", inner),
        Condition::Any(inner) => ("any", inner),
    };
    words.push(format!("{name} {}", inner.len()));
    inner.iter().for_each(|one| condition_words(one, words));
}
