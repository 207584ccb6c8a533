//! Whether every value that one JSON Schema accepts, another one accepts, too. In general that cannot be
//! decided. The comparison is sound: without a difference, the second schema accepts every value that the
//! first one accepts. It may report differences that no value shows.

mod bounds;
mod members;

use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::child;

/// The most differences that a comparison reports.
const DIFFERENCES: usize = 20;
/// The deepest schema that a comparison follows. References can make a schema infinite.
const DEPTH: usize = 32;
/// Keywords whose meaning depends on keywords beside them, with these.
const DEPENDENT: [(&str, &[&str]); 6] = [
    ("then", &["if"]),
    ("else", &["if"]),
    ("contains", &["minContains", "maxContains"]),
    ("minContains", &["contains"]),
    ("maxContains", &["contains"]),
    ("additionalItems", &["items"]),
];
/// Keywords that accept every value.
const ANNOTATIONS: [&str; 11] = [
    "$schema",
    "$comment",
    "$defs",
    "definitions",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
];

/// The schema that accepts every value, as an object.
static ANYTHING: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);

/// A difference between two schemas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// The keyword, as a JSON Pointer into the second schema.
    pub(crate) path: String,
    /// Whether values are rejected.
    pub(crate) verdict: Verdict,
    /// The reason, which ends a sentence about the path.
    pub(crate) reason: String,
}

/// What a difference means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The second schema rejects values that the first one accepts.
    Rejects,
    /// The comparison does not know.
    Undecided,
}

/// The differences because of which `to` may reject a value that `from` accepts.
pub(crate) fn differences(from: &Value, to: &Value) -> Vec<Difference> {
    let mut comparison = Comparison { from_root: from, to_root: to, found: Vec::new() };
    if from.get("$schema") == to.get("$schema") {
        comparison.compare(from, to, "", 0);
    } else {
        comparison.undecided("/$schema", "another draft gives keywords another meaning");
    }
    comparison.found.truncate(DIFFERENCES);
    comparison.found
}

struct Comparison<'a> {
    from_root: &'a Value,
    to_root: &'a Value,
    found: Vec<Difference>,
}

/// A schema that is an object, next to the schema that it is compared with.
#[derive(Clone, Copy)]
struct Pair<'a> {
    from: &'a Map<String, Value>,
    to: &'a Map<String, Value>,
    depth: usize,
}

impl<'a> Comparison<'a> {
    fn compare(&mut self, from: &'a Value, to: &'a Value, path: &str, depth: usize) {
        if self.found.len() >= DIFFERENCES || self.is_same(from, to) {
            return;
        }
        if depth > DEPTH {
            return self.undecided(path, "the schema is too deep to be compared");
        }
        let (from, to) = (resolved(from, self.from_root), resolved(to, self.to_root));
        let (Some(from), Some(to)) = (from, to) else {
            return self.undecided(path, "a reference cannot be followed");
        };
        match (from, to) {
            (Value::Bool(false), _) | (_, Value::Bool(true)) => {}
            (_, Value::Bool(false)) => self.rejects(path, "no value is accepted any more"),
            (Value::Object(from), Value::Object(to)) => {
                self.objects(Pair { from, to, depth }, path);
            }
            (Value::Bool(true), Value::Object(to)) => {
                self.objects(Pair { from: &ANYTHING, to, depth }, path);
            }
            _ => self.undecided(path, "this is no schema"),
        }
    }

    fn objects(&mut self, pair: Pair<'a>, path: &str) {
        for (keyword, wanted) in pair.to {
            if self.found.len() >= DIFFERENCES {
                return;
            }
            if ANNOTATIONS.contains(&keyword.as_str()) {
                continue;
            }
            let at = child(path, keyword);
            self.keyword(pair, keyword, wanted, &at);
        }
    }

    fn keyword(&mut self, pair: Pair<'a>, keyword: &str, wanted: &'a Value, at: &str) {
        match keyword {
            "type" => self.types(pair, wanted, at),
            "const" => self.values(pair, std::slice::from_ref(wanted), at),
            "enum" => self.values(pair, wanted.as_array().map_or(&[], Vec::as_slice), at),
            "required" => self.required(pair, wanted, at),
            "properties" => self.properties(pair, wanted, at),
            "additionalProperties" => self.additional(pair, wanted, at),
            "items" => self.items(pair, wanted, at),
            "allOf" => self.all_of(pair, wanted, at),
            "anyOf" => self.any_of(pair, wanted, at),
            _ if self.bound(pair, keyword, wanted, at) => {}
            _ => self.other(pair, keyword, wanted, at),
        }
    }

    /// A keyword that is not compared in detail: it must mean the same in both schemas.
    fn other(&mut self, pair: Pair<'a>, keyword: &str, wanted: &Value, at: &str) {
        let is_same = if keyword.starts_with("unevaluated") {
            pair.from == pair.to && self.is_closed(wanted)
        } else {
            let beside = DEPENDENT.iter().find(|(name, _)| *name == keyword);
            let beside = beside.map_or(&[][..], |(_, beside)| beside);
            let means_the_same = |name: &&str| match (pair.from.get(*name), pair.to.get(*name)) {
                (None, None) => true,
                (Some(before), Some(after)) => self.is_same(before, after),
                _ => false,
            };
            means_the_same(&keyword) && beside.iter().all(means_the_same)
        };
        if !is_same {
            self.undecided(at, "this keyword was added or changed");
        }
    }

    fn all_of(&mut self, pair: Pair<'a>, wanted: &'a Value, at: &str) {
        let before = pair.from.get("allOf").and_then(Value::as_array);
        for (index, part) in wanted.as_array().into_iter().flatten().enumerate() {
            let same = |one: &Value| self.is_same(one, part);
            if before.is_some_and(|before| before.iter().any(same)) {
                continue;
            }
            match part {
                Value::Object(to) if !to.contains_key("$ref") => {
                    let pair = Pair { to, depth: pair.depth + 1, ..pair };
                    self.objects(pair, &child(at, &index.to_string()));
                }
                _ => {
                    self.undecided(&child(at, &index.to_string()), "this part was added or changed")
                }
            }
        }
    }

    fn any_of(&mut self, pair: Pair<'a>, wanted: &Value, at: &str) {
        let wanted = wanted.as_array().map_or(&[][..], Vec::as_slice);
        let before = pair.from.get("anyOf").and_then(Value::as_array);
        let kept = |one: &Value| wanted.iter().any(|part| self.is_same(one, part));
        if !before.is_some_and(|before| before.iter().all(kept)) {
            self.undecided(at, "alternatives were added to an open schema, changed or removed");
        }
    }

    /// Whether two texts mean the same: they are equal, and so is all that they refer to.
    fn is_same(&self, from: &Value, to: &Value) -> bool {
        from == to && self.is_closed(to)
    }

    /// Whether a schema means the same in both roots.
    fn is_closed(&self, schema: &Value) -> bool {
        self.from_root == self.to_root || !refers(schema)
    }

    fn rejects(&mut self, path: &str, reason: impl Into<String>) {
        self.report(path, Verdict::Rejects, reason.into());
    }

    fn undecided(&mut self, path: &str, reason: impl Into<String>) {
        self.report(path, Verdict::Undecided, reason.into());
    }

    fn report(&mut self, path: &str, verdict: Verdict, reason: String) {
        self.found.push(Difference { path: path.to_owned(), verdict, reason });
    }
}

/// The target of a schema that is nothing but a reference within its document; any other schema itself.
fn resolved<'a>(schema: &'a Value, root: &'a Value) -> Option<&'a Value> {
    let mut schema = schema;
    for _ in 0..DEPTH {
        let Some(members) = schema.as_object() else { return Some(schema) };
        let Some(reference) = members.get("$ref") else { return Some(schema) };
        let is_alone = |name: &String| name == "$ref" || ANNOTATIONS.contains(&name.as_str());
        if !members.keys().all(is_alone) {
            return None;
        }
        if root.as_object().is_some_and(|members| members.values().any(has_id)) {
            return None;
        }
        schema = root.pointer(reference.as_str()?.strip_prefix('#')?)?;
    }
    None
}

/// Whether a part of a schema has an id, which changes what references mean.
fn has_id(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => members.contains_key("$id") || members.values().any(has_id),
        Value::Array(parts) => parts.iter().any(has_id),
        _ => false,
    }
}

/// Whether a schema refers to another place.
fn refers(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => {
            let named = |name: &String| name == "$ref" || name == "$dynamicRef";
            members.keys().any(named) || members.values().any(refers)
        }
        Value::Array(parts) => parts.iter().any(refers),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
