//! Comparison of a result with an expectation, of which only the requested keys count.

#![expect(clippy::expect_used, reason = "a value of serde_json is always written")]

use serde_json::Value;

/// The requested keys of each object, and the keys `always`.
pub(crate) fn only_asked_or(always: &[&str], found: &Value, asked: &Value) -> Value {
    let with_always = |asked: &Value| {
        let mut asked = asked.as_object().cloned().unwrap_or_default();
        for key in always {
            asked.entry(*key).or_insert(Value::Null);
        }
        Value::Object(asked)
    };
    match found {
        Value::Object(found) => {
            let only = |(name, found): (&String, &Value)| {
                (name.clone(), only_asked(found, &with_always(&asked[name.as_str()])))
            };
            found.iter().map(only).collect()
        }
        _ => only_asked(found, &asked.as_array().into_iter().flatten().map(with_always).collect()),
    }
}

/// The requested keys of objects, at every depth, also in lists of the requested length; all other
/// values whole.
pub(crate) fn only_asked(found: &Value, asked: &Value) -> Value {
    match (found, asked) {
        (Value::Object(found), Value::Object(asked)) => {
            let keys = asked.iter().filter_map(|(key, asked)| Some((key, found.get(key)?, asked)));
            keys.map(|(key, found, asked)| (key.clone(), only_asked(found, asked))).collect()
        }
        (Value::Array(found), Value::Array(asked)) if found.len() == asked.len() => {
            found.iter().zip(asked).map(|(found, asked)| only_asked(found, asked)).collect()
        }
        _ => found.clone(),
    }
}

/// The lines in which two values differ, with some context; `None` if the values are equal.
pub fn difference(expected: &Value, found: &Value) -> Option<String> {
    const AROUND: usize = 3;
    if expected == found {
        return None;
    }
    let text = |value| serde_json::to_string_pretty(value).expect("JSON");
    let (expected, found) = (text(expected), text(found));
    let (expected, found): (Vec<_>, Vec<_>) = (expected.lines().collect(), found.lines().collect());
    let same = |(one, other): &(&&str, &&str)| one == other;
    let first = expected.iter().zip(&found).take_while(same).count();
    let rest = expected.len().min(found.len()) - first;
    let pairs = expected.iter().rev().zip(found.iter().rev());
    let last = pairs.take(rest).take_while(same).count();
    let part = |lines: &[&str], from: usize, to: usize, mark: &str| -> Vec<String> {
        lines.iter().take(to).skip(from).map(|line| format!("{mark} {line}")).collect()
    };
    let end = found.len() - last;
    let shown = [
        part(&found, first.saturating_sub(AROUND), first, " "),
        part(&expected, first, expected.len() - last, "- expected"),
        part(&found, first, end, "+ found   "),
        part(&found, end, end + AROUND, " "),
    ];
    Some(shown.concat().join("\n"))
}
