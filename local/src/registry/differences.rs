//! The differences between a stored document and the document that replaces it.

use std::collections::BTreeSet;

use drover_core::intake::document::DocumentName;
use drover_core::registry::{Change, Plan, Stored};
use serde_json::Value;

/// A difference between two documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// JSON Pointer into the document.
    pub(crate) path: String,
    /// The stored value; `None`: there is none.
    pub(crate) before: Option<Value>,
    /// The new value; `None`: it is removed.
    pub(crate) after: Option<Value>,
}

/// The differences of a document that the plan replaces.
pub(crate) fn differences(plan: &Plan, stored: &Stored, name: &DocumentName) -> Vec<Difference> {
    let write = plan.writes.iter().find(|write| write.name == *name);
    let (Some(Change::Put { document, .. }), Some(old)) =
        (write.map(|write| &write.change), stored.get(name))
    else {
        return Vec::new();
    };
    let content = |json: &str| {
        let json: Value = serde_json::from_str(json).unwrap_or_default();
        // Contracts and rules are stored with their version.
        let content = match name {
            DocumentName::Contract(_) => json.get("contract"),
            DocumentName::Rules(_) => json.get("rules"),
            _ => None,
        };
        content.cloned().unwrap_or(json)
    };
    let mut found = Vec::new();
    compare(&content(&old.json), &content(&document.json), "", &mut found);
    found
}

/// Compares objects member by member, and all else as a whole.
fn compare(before: &Value, after: &Value, path: &str, found: &mut Vec<Difference>) {
    if before == after {
        return;
    }
    let (Value::Object(old), Value::Object(new)) = (before, after) else {
        found.push(Difference {
            path: path.to_owned(),
            before: Some(before.clone()),
            after: Some(after.clone()),
        });
        return;
    };
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for name in names {
        let path = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
        match (old.get(name), new.get(name)) {
            (Some(before), Some(after)) => compare(before, after, &path, found),
            (before, after) => {
                found.push(Difference { path, before: before.cloned(), after: after.cloned() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(before: Value, after: Value, expected: &[(&str, Option<Value>, Option<Value>)]) {
        let mut found = Vec::new();
        compare(&before, &after, "", &mut found);
        let found: Vec<_> = found
            .iter()
            .map(|one| (one.path.as_str(), one.before.clone(), one.after.clone()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn members_are_compared_one_by_one_and_lists_as_a_whole() {
        check(json!({"a": 1}), json!({"a": 1}), &[]);
        check(
            json!({"a": {"b/c": 1, "same": 0}, "list": [1], "old": null}),
            json!({"a": {"b/c": 2, "same": 0}, "list": [1, 2], "new": true}),
            &[
                ("/a/b~1c", Some(json!(1)), Some(json!(2))),
                ("/list", Some(json!([1])), Some(json!([1, 2]))),
                ("/new", None, Some(json!(true))),
                ("/old", Some(json!(null)), None),
            ],
        );
    }
}
