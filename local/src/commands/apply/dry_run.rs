//! The report of `drover apply --dry-run`.

use std::fmt::Write as _;

use serde_json::Value;

use crate::commands::text::printable;
use crate::registry::{Difference, EffectKind, Outcome};

/// The most differences of one document that a report lists.
const DIFFERENCES: usize = 50;
/// The most characters of a value in a report.
const VALUE_CHARACTERS: usize = 60;

/// One line for each document that would change, with its differences from the stored document.
pub(super) fn report(outcome: &Outcome) -> String {
    let mut text = String::new();
    let changed = outcome.effects.iter().filter(|one| one.kind != EffectKind::Unchanged);
    for effect in changed {
        let would = match effect.kind {
            EffectKind::Created => "would create",
            EffectKind::Replaced => "would replace",
            EffectKind::Removed => "would remove",
            EffectKind::Unchanged => continue,
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{would:<13} {}", effect.document());
        let shown = effect.differences.iter().take(DIFFERENCES);
        shown.for_each(|difference| line(&mut text, difference));
        let left_out = effect.differences.len().saturating_sub(DIFFERENCES);
        if left_out > 0 {
            let _ = writeln!(text, "    and {left_out} more differences");
        }
    }
    text.push_str(if text.is_empty() { "nothing would change\n" } else { "nothing was written\n" });
    text
}

fn line(text: &mut String, Difference { path, before, after }: &Difference) {
    let path = printable(path);
    let _ = match (before, after) {
        (Some(before), Some(after)) => {
            writeln!(text, "    ~ {path}: {} -> {}", short(before), short(after))
        }
        (Some(before), None) => writeln!(text, "    - {path}: {}", short(before)),
        (None, Some(after)) => writeln!(text, "    + {path}: {}", short(after)),
        (None, None) => Ok(()),
    };
}

/// A value on one line, cut to [`VALUE_CHARACTERS`].
fn short(value: &Value) -> String {
    let text = printable(&value.to_string());
    match text.char_indices().nth(VALUE_CHARACTERS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use drover_core::intake::document::DocumentName;
    use serde_json::json;

    use super::*;
    use crate::registry::Effect;

    fn outcome(effects: Vec<Effect>) -> Outcome {
        Outcome {
            effects,
            revision: 3,
            moves: Vec::new(),
            doubtful: Vec::new(),
            watching: Vec::new(),
        }
    }

    fn effect(kind: EffectKind, differences: Vec<Difference>) -> Effect {
        let name = DocumentName::Contract("mine".to_owned());
        let origin = Some("mine.json".to_owned());
        Effect { kind, name, version: Some(2), differences, origin }
    }

    fn difference(path: &str, before: Option<Value>, after: Option<Value>) -> Difference {
        Difference { path: path.to_owned(), before, after }
    }

    #[test]
    fn every_difference_is_a_line() {
        let differences = vec![
            difference("/a", Some(json!(1)), Some(json!("x".repeat(80)))),
            difference("/b", Some(json!(null)), None),
            difference("/c", None, Some(json!([1]))),
        ];
        let expected = format!(
            "would replace contract mine@2  mine.json\n    ~ /a: 1 -> \"{}…\n    - /b: null\n    + /c: [1]\n\
             nothing was written\n",
            "x".repeat(59)
        );
        assert_eq!(report(&outcome(vec![effect(EffectKind::Replaced, differences)])), expected);
    }

    #[test]
    fn many_differences_are_counted_and_no_difference_is_said() {
        let many = (0..60).map(|at| difference(&format!("/{at}"), None, Some(json!(at)))).collect();
        let text = report(&outcome(vec![effect(EffectKind::Replaced, many)]));
        assert!(text.contains("\n    and 10 more differences\n"), "{text}");
        let text = report(&outcome(vec![effect(EffectKind::Unchanged, Vec::new())]));
        assert_eq!(text, "nothing would change\n");
    }
}
