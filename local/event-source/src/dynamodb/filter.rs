//! Filter criteria: which records are sent to the function.
//!
//! The subset of Lambda's patterns that applies to one attribute at a time: equality and `exists`,
//! on texts, numbers, truth values and nulls of the new image, also inside maps. Anything else is
//! refused by name, because a pattern that is read differently than on Lambda would silently drop
//! records. As on Lambda: all attributes of a pattern must match, one condition of an attribute is
//! enough, one of several patterns is enough, and numbers are compared as texts.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb-filtering.html>

use std::collections::HashMap;

use aws_sdk_dynamodbstreams::types::{AttributeValue, Record};
use serde_json::{Map, Value};

/// Lambda's limits.
const PATTERNS: usize = 5;
const PATTERN_BYTES: usize = 4_096;

/// The filter criteria of a mapping. Without patterns, every record is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters(Vec<Vec<Test>>);

/// The criteria contain a pattern that is invalid or not supported here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsupportedFilter {
    /// The pattern is not a JSON object.
    #[error("a filter pattern is not a JSON object")]
    NotAnObject,
    /// There are too many patterns, or one of them is too long.
    #[error(
        "too many or too long filter patterns: maximum=`{PATTERNS}`, maximum_bytes=`{PATTERN_BYTES}`"
    )]
    TooLarge,
    /// A part of the pattern is not supported.
    #[error("unsupported filter, expected equality or `exists` on `dynamodb.NewImage`: {0}")]
    Part(String),
}

/// A test of one attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Test {
    attribute: String,
    expected: Expected,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Expected {
    /// One of the conditions holds for the value of this type.
    Leaf(Kind, Vec<Condition>),
    /// The attribute is a map, for whose attributes every test holds.
    Map(Vec<Test>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Binary,
    Truth,
    Null,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Condition {
    Exists(bool),
    Text(String),
    Truth(bool),
}

type Image = HashMap<String, AttributeValue>;

impl Filters {
    /// Reads patterns in JSON.
    ///
    /// # Errors
    /// [`UnsupportedFilter`].
    pub fn parse<P: AsRef<str>>(patterns: &[P]) -> Result<Self, UnsupportedFilter> {
        let is_too_long = |pattern: &P| pattern.as_ref().len() > PATTERN_BYTES;
        if patterns.len() > PATTERNS || patterns.iter().any(is_too_long) {
            return Err(UnsupportedFilter::TooLarge);
        }
        patterns.iter().map(|pattern| parse(pattern.as_ref())).collect::<Result<_, _>>().map(Self)
    }

    /// Whether the record is sent.
    pub(super) fn matches(&self, record: &Record) -> bool {
        let image = record.dynamodb().and_then(|change| change.new_image());
        self.0.is_empty() || self.0.iter().any(|tests| all_hold(tests, image))
    }
}

fn parse(pattern: &str) -> Result<Vec<Test>, UnsupportedFilter> {
    let pattern = serde_json::from_str(pattern).map_err(|_| UnsupportedFilter::NotAnObject)?;
    let Value::Object(pattern) = pattern else { return Err(UnsupportedFilter::NotAnObject) };
    let change = only_member(&pattern, "", "dynamodb")?;
    tests_of(only_member(change, "dynamodb.", "NewImage")?, "dynamodb.NewImage")
}

/// The member of this name, which must be the only one, and an object.
fn only_member<'a>(
    object: &'a Map<String, Value>,
    path: &str,
    name: &str,
) -> Result<&'a Map<String, Value>, UnsupportedFilter> {
    if let Some(other) = object.keys().find(|member| *member != name) {
        return Err(UnsupportedFilter::Part(format!("`{path}{other}`")));
    }
    let member = object.get(name).and_then(Value::as_object);
    member.ok_or_else(|| UnsupportedFilter::Part(format!("`{path}{name}` is not an object")))
}

fn tests_of(object: &Map<String, Value>, path: &str) -> Result<Vec<Test>, UnsupportedFilter> {
    if object.is_empty() {
        return Err(UnsupportedFilter::Part(format!("`{path}` is empty")));
    }
    let mut found = Vec::new();
    for (attribute, kinds) in object {
        let path = format!("{path}.{attribute}");
        let kinds = kinds.as_object().filter(|kinds| !kinds.is_empty());
        let no_type = || UnsupportedFilter::Part(format!("`{path}` has no attribute type"));
        for (kind, pattern) in kinds.ok_or_else(no_type)? {
            let expected = expected(kind, pattern, &format!("{path}.{kind}"))?;
            found.push(Test { attribute: attribute.clone(), expected });
        }
    }
    Ok(found)
}

fn expected(kind: &str, pattern: &Value, path: &str) -> Result<Expected, UnsupportedFilter> {
    let kind = match (kind, pattern) {
        ("M", Value::Object(inner)) => return tests_of(inner, path).map(Expected::Map),
        ("S", Value::Array(_)) => Kind::Text,
        ("N", Value::Array(_)) => Kind::Number,
        ("B", Value::Array(_)) => Kind::Binary,
        ("BOOL", Value::Array(_)) => Kind::Truth,
        ("NULL", Value::Array(_)) => Kind::Null,
        _ => return Err(UnsupportedFilter::Part(format!("`{path}`"))),
    };
    let conditions = pattern.as_array().map(Vec::as_slice).unwrap_or_default();
    if conditions.is_empty() {
        return Err(UnsupportedFilter::Part(format!("`{path}` is empty")));
    }
    let conditions = conditions.iter().map(|one| condition(kind, one, path));
    Ok(Expected::Leaf(kind, conditions.collect::<Result<_, _>>()?))
}

fn condition(kind: Kind, pattern: &Value, path: &str) -> Result<Condition, UnsupportedFilter> {
    match (kind, pattern) {
        (_, Value::Object(rule)) => match rule.iter().next() {
            Some((name, Value::Bool(exists))) if name == "exists" && rule.len() == 1 => {
                Ok(Condition::Exists(*exists))
            }
            Some((name, _)) => Err(UnsupportedFilter::Part(format!("`{name}` at `{path}`"))),
            None => Err(UnsupportedFilter::Part(format!("an empty rule at `{path}`"))),
        },
        (Kind::Text | Kind::Number, Value::String(text)) => Ok(Condition::Text(text.clone())),
        (Kind::Truth | Kind::Null, Value::Bool(truth)) => Ok(Condition::Truth(*truth)),
        _ => Err(UnsupportedFilter::Part(format!("a value of another type at `{path}`"))),
    }
}

fn all_hold(tests: &[Test], image: Option<&Image>) -> bool {
    tests.iter().all(|test| {
        let value = image.and_then(|image| image.get(&test.attribute));
        match &test.expected {
            Expected::Map(inner) => all_hold(inner, value.and_then(|value| value.as_m().ok())),
            Expected::Leaf(kind, conditions) => {
                let value = value.and_then(|value| leaf(*kind, value));
                conditions.iter().any(|condition| holds(condition, value))
            }
        }
    })
}

/// A value of the expected type.
#[derive(Clone, Copy)]
enum Leaf<'a> {
    Text(&'a str),
    Truth(bool),
    Bytes,
}

fn leaf(kind: Kind, value: &AttributeValue) -> Option<Leaf<'_>> {
    match (kind, value) {
        (Kind::Text, AttributeValue::S(text)) | (Kind::Number, AttributeValue::N(text)) => {
            Some(Leaf::Text(text))
        }
        (Kind::Truth, AttributeValue::Bool(truth)) | (Kind::Null, AttributeValue::Null(truth)) => {
            Some(Leaf::Truth(*truth))
        }
        (Kind::Binary, AttributeValue::B(_)) => Some(Leaf::Bytes),
        _ => None,
    }
}

fn holds(condition: &Condition, value: Option<Leaf<'_>>) -> bool {
    match (condition, value) {
        (Condition::Exists(exists), value) => value.is_some() == *exists,
        (Condition::Text(expected), Some(Leaf::Text(text))) => expected == text,
        (Condition::Truth(expected), Some(Leaf::Truth(truth))) => *expected == truth,
        (Condition::Text(_) | Condition::Truth(_), _) => false,
    }
}

#[cfg(test)]
mod tests;
