//! The difference between two views, field by field.

use std::collections::BTreeMap;

use serde_json::Value;

/// A changed field.
#[derive(Debug, PartialEq)]
pub(super) struct Change {
    /// Its JSON Pointer.
    pub(super) path: String,
    /// `None`: the field was added.
    pub(super) before: Option<Value>,
    /// `None`: the field was removed.
    pub(super) after: Option<Value>,
}

/// Every changed field, by its path.
pub(super) fn changes(before: &Value, after: &Value) -> Vec<Change> {
    let (mut before, after) = (leaves(before), leaves(after));
    let mut changes: Vec<Change> = Vec::new();
    for (path, value) in after {
        let old = before.remove(&path);
        if old.as_ref() != Some(&value) {
            changes.push(Change { path, before: old, after: Some(value) });
        }
    }
    let gone = before.into_iter();
    changes.extend(gone.map(|(path, old)| Change { path, before: Some(old), after: None }));
    changes.sort_by(|one, other| one.path.cmp(&other.path));
    changes
}

/// Every leaf value, by its path. A view that is `null` has no leaves.
fn leaves(value: &Value) -> BTreeMap<String, Value> {
    let mut leaves = BTreeMap::new();
    if !value.is_null() {
        collect(String::new(), value, &mut leaves);
    }
    leaves
}

fn collect(path: String, value: &Value, leaves: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                let name = name.replace('~', "~0").replace('/', "~1");
                collect(format!("{path}/{name}"), value, leaves);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, value) in items.iter().enumerate() {
                collect(format!("{path}/{index}"), value, leaves);
            }
        }
        leaf => {
            leaves.insert(path, leaf.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(before: &Value, after: &Value, expected: &[(&str, Option<Value>, Option<Value>)]) {
        let expected = expected.iter().map(|(path, before, after)| Change {
            path: (*path).to_owned(),
            before: before.clone(),
            after: after.clone(),
        });
        assert_eq!(changes(before, after), expected.collect::<Vec<_>>());
    }

    #[test]
    fn equal_views_have_no_changes() {
        let view = json!({ "a": 1, "b": { "c": [1, 2] }, "d": null, "e": {} });
        check(&view, &view, &[]);
        check(&Value::Null, &Value::Null, &[]);
    }

    #[test]
    fn changed_added_and_removed_fields_are_listed_by_their_path() {
        check(
            &json!({ "count": 1, "last": { "a/b": 1 }, "list": [1, 2], "same": true }),
            &json!({ "count": 2, "last": { "a/b": 1, "c": 3 }, "list": [1], "same": true }),
            &[
                ("/count", Some(json!(1)), Some(json!(2))),
                ("/last/c", None, Some(json!(3))),
                ("/list/1", Some(json!(2)), None),
            ],
        );
    }

    #[test]
    fn every_field_of_a_new_subject_is_added() {
        check(
            &Value::Null,
            &json!({ "count": 1, "status": null }),
            &[("/count", None, Some(json!(1))), ("/status", None, Some(Value::Null))],
        );
    }
}
