//! Keywords about the members of objects and the items of arrays.

use serde_json::{Map, Value};

use super::bounds::may_be;
use super::{Comparison, Pair, child};

/// The schema of what a schema does not mention.
static ANYTHING: Value = Value::Bool(true);

/// The schema of a member by `properties`, else by `additionalProperties`; `None` if `patternProperties`
/// decide.
fn of_member<'a>(schema: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let named = schema.get("properties").and_then(|properties| properties.get(name));
    let has_patterns = schema.contains_key("patternProperties");
    let other = || schema.get("additionalProperties").unwrap_or(&ANYTHING);
    named.or_else(|| (!has_patterns).then(other))
}

fn properties(schema: &Map<String, Value>) -> impl Iterator<Item = &String> {
    schema.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::keys)
}

impl<'a> Comparison<'a> {
    pub(super) fn required(&mut self, pair: Pair<'a>, wanted: &Value, at: &str) {
        if !may_be(pair.from, "object") {
            return;
        }
        let before = pair.from.get("required").and_then(Value::as_array);
        for name in wanted.as_array().into_iter().flatten() {
            if !before.is_some_and(|before| before.contains(name)) {
                let name = name.as_str().unwrap_or_default();
                self.rejects(at, format!("the member `{name}` may be absent so far"));
            }
        }
    }

    pub(super) fn properties(&mut self, pair: Pair<'a>, wanted: &'a Value, at: &str) {
        if !may_be(pair.from, "object") {
            return;
        }
        for (name, schema) in wanted.as_object().into_iter().flatten() {
            let at = child(at, name);
            match of_member(pair.from, name) {
                Some(before) => self.compare(before, schema, &at, pair.depth + 1),
                None => self.undecided(&at, "patterns decide about this member"),
            }
        }
    }

    pub(super) fn additional(&mut self, pair: Pair<'a>, wanted: &'a Value, at: &str) {
        if !may_be(pair.from, "object") {
            return;
        }
        let has_patterns = |schema: &Map<String, Value>| schema.contains_key("patternProperties");
        if has_patterns(pair.from) || has_patterns(pair.to) {
            if pair.from != pair.to || !self.is_closed(wanted) {
                self.undecided(at, "patterns decide about other members");
            }
            return;
        }
        for name in properties(pair.from) {
            let is_named = properties(pair.to).any(|one| one == name);
            if let Some(before) = of_member(pair.from, name).filter(|_| !is_named) {
                if *wanted == Value::Bool(false) && *before != Value::Bool(false) {
                    self.rejects(at, format!("the member `{name}` is not accepted any more"));
                } else {
                    self.compare(before, wanted, at, pair.depth + 1);
                }
            }
        }
        let before = pair.from.get("additionalProperties").unwrap_or(&ANYTHING);
        if *wanted == Value::Bool(false) && *before != Value::Bool(false) {
            self.rejects(at, "other members were accepted");
        } else {
            self.compare(before, wanted, at, pair.depth + 1);
        }
    }

    pub(super) fn items(&mut self, pair: Pair<'a>, wanted: &'a Value, at: &str) {
        if !may_be(pair.from, "array") {
            return;
        }
        let has_prefix = |schema: &Map<String, Value>| schema.contains_key("prefixItems");
        if has_prefix(pair.from) || has_prefix(pair.to) || wanted.is_array() {
            if pair.from != pair.to || !self.is_closed(wanted) {
                self.undecided(at, "items are compared only if all have one schema");
            }
            return;
        }
        let before = pair.from.get("items").unwrap_or(&ANYTHING);
        self.compare(before, wanted, at, pair.depth + 1);
    }
}
