//! Keeps the views that earlier invocations of a run returned: the run itself stores digests only,
//! so the response of a later invocation lacks the earlier views.

use std::collections::BTreeMap;

use axum::body::Bytes;
use serde_json::{Map, Value};

const SIDES: [&str; 2] = ["before", "after"];

/// Views by side, subject and digest.
#[derive(Debug, Default)]
pub(super) struct ShownViews(BTreeMap<(&'static str, String, String), Value>);

impl ShownViews {
    /// Remembers the views in a response, and adds the views of earlier responses.
    pub(super) fn complete(&mut self, body: Bytes) -> Bytes {
        let Ok(mut answer) = serde_json::from_slice::<Value>(&body) else { return body };
        let Some(views) = answer.get_mut("views").and_then(Value::as_array_mut) else {
            return body;
        };
        let mut is_changed = false;
        for view in views.iter_mut().filter_map(Value::as_object_mut) {
            for side in SIDES {
                is_changed |= self.complete_side(view, side);
            }
        }
        if !is_changed {
            return body;
        }
        serde_json::to_vec(&answer).map_or(body, Bytes::from)
    }

    /// Returns whether a view was added.
    fn complete_side(&mut self, view: &mut Map<String, Value>, side: &'static str) -> bool {
        let text = |name: &str| view.get(name).map(Value::to_string).unwrap_or_default();
        let key = (side, text("subject"), text(&format!("{side}_digest")));
        if let Some(shown) = view.get(side) {
            self.0.insert(key, shown.clone());
            return false;
        }
        let Some(shown) = self.0.get(&key) else { return false };
        view.insert(side.to_owned(), shown.clone());
        true
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(views: &Value) -> Bytes {
        Bytes::from(json!({ "views": views }).to_string())
    }

    #[test]
    fn views_of_an_earlier_response_are_added_if_their_digest_matches() {
        let mut shown = ShownViews::default();
        let first = json!([{
            "subject": "device/d", "before_digest": null, "after_digest": "a1",
            "before": null, "after": { "n": 1 },
        }]);
        assert_eq!(shown.complete(body(&first)), body(&first));
        let second = json!([
            { "subject": "device/d", "before_digest": null, "after_digest": "a2" },
            { "subject": "device/e", "before_digest": null, "after_digest": "a1" },
        ]);
        let completed = shown.complete(body(&second));
        let completed: Value = serde_json::from_slice(&completed).unwrap();
        assert_eq!(completed["views"][0].get("before"), Some(&Value::Null));
        assert_eq!(completed["views"][0].get("after"), None, "the view has changed since");
        assert_eq!(completed["views"][1], second[1]);
        let other = Bytes::from_static(b"no JSON");
        assert_eq!(shown.complete(other.clone()), other);
    }
}
