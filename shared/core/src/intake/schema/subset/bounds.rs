//! Keywords about one value: its type, its possible values, and bounds.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::{Comparison, Pair};

/// A keyword with a number, the type that it bounds, and which numbers accept more.
struct Bound {
    keyword: &'static str,
    bounds: &'static str,
    accepts_more: Ordering,
}

const BOUNDS: [Bound; 10] = [
    bound("minimum", "number", Ordering::Less),
    bound("exclusiveMinimum", "number", Ordering::Less),
    bound("maximum", "number", Ordering::Greater),
    bound("exclusiveMaximum", "number", Ordering::Greater),
    bound("minLength", "string", Ordering::Less),
    bound("maxLength", "string", Ordering::Greater),
    bound("minItems", "array", Ordering::Less),
    bound("maxItems", "array", Ordering::Greater),
    bound("minProperties", "object", Ordering::Less),
    bound("maxProperties", "object", Ordering::Greater),
];

const fn bound(keyword: &'static str, bounds: &'static str, accepts_more: Ordering) -> Bound {
    Bound { keyword, bounds, accepts_more }
}

impl<'a> Comparison<'a> {
    /// Compares a bound. Returns whether the keyword is a bound.
    pub(super) fn bound(
        &mut self,
        pair: Pair<'a>,
        keyword: &str,
        wanted: &Value,
        at: &str,
    ) -> bool {
        let Some(bound) = BOUNDS.iter().find(|bound| bound.keyword == keyword) else {
            return false;
        };
        if !may_be(pair.from, bound.bounds) {
            return true;
        }
        match pair.from.get(keyword).map(|before| compared(wanted, before)) {
            Some(Some(Ordering::Equal)) => {}
            Some(Some(order)) if order == bound.accepts_more => {}
            Some(None) => self.undecided(at, "this bound cannot be compared"),
            Some(Some(_)) => self.rejects(at, "this bound is narrower"),
            None => self.rejects(at, "this bound is new"),
        }
        true
    }

    pub(super) fn types(&mut self, pair: Pair<'a>, wanted: &Value, at: &str) {
        let wanted = names(wanted);
        let accepted = |name: &&str| {
            wanted.contains(name) || (*name == "integer" && wanted.contains(&"number"))
        };
        let before = match pair.from.get("type") {
            Some(before) => names(before),
            None => match listed(pair.from) {
                Some(values) => values.iter().map(type_of).collect(),
                None => return self.rejects(at, "other types were accepted"),
            },
        };
        let lost: Vec<&str> = before.into_iter().filter(|name| !accepted(name)).collect();
        if !lost.is_empty() {
            self.rejects(at, format!("{} is not accepted any more", lost.join(", ")));
        }
    }

    pub(super) fn values(&mut self, pair: Pair<'a>, wanted: &[Value], at: &str) {
        match listed(pair.from) {
            Some(before) if before.iter().all(|value| wanted.contains(value)) => {}
            Some(_) => self.rejects(at, "a value was removed"),
            None => self.rejects(at, "other values were accepted"),
        }
    }
}

/// The order of two exact numbers; `None` if one of them cannot be compared exactly.
fn compared(one: &Value, other: &Value) -> Option<Ordering> {
    if one == other {
        return Some(Ordering::Equal);
    }
    match (one.as_i64(), other.as_i64()) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        _ => one.as_f64()?.partial_cmp(&other.as_f64()?).filter(|order| order.is_ne()),
    }
}

/// The only values of a schema, if it lists them.
fn listed(schema: &Map<String, Value>) -> Option<&[Value]> {
    let values = schema.get("const").map(std::slice::from_ref);
    values.or_else(|| Some(schema.get("enum")?.as_array()?.as_slice()))
}

/// Whether a value of a schema may have a type.
pub(super) fn may_be(schema: &Map<String, Value>, name: &str) -> bool {
    let is_number = name == "number";
    schema.get("type").is_none_or(|types| {
        let types = names(types);
        types.contains(&name) || (is_number && types.contains(&"integer"))
    })
}

/// The names in the keyword `type`.
fn names(types: &Value) -> Vec<&str> {
    match types {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
