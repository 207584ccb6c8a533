//! Filter criteria: which records are sent to the function.
//!
//! The subset of Lambda's patterns that applies to one attribute at a time: equality and `exists`,
//! on texts, numbers, bytes, truth values and nulls of the keys and the new image, also inside maps.
//! Anything else is refused by name, because a pattern that is read differently than on Lambda would
//! silently drop records. As on Lambda: all attributes of a pattern must match, one condition of an
//! attribute is enough, one of several patterns is enough, numbers are compared as texts, and bytes
//! as base64.
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
pub struct Filters(Vec<Pattern>);

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
    #[error(
        "unsupported filter, expected equality or `exists` on `dynamodb.Keys` or `dynamodb.NewImage`: {0}"
    )]
    Part(String),
}

/// The tests of one pattern, which all have to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Pattern {
    keys: Vec<Test>,
    new_image: Vec<Test>,
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
    Bytes(Vec<u8>),
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
        let change = record.dynamodb();
        let keys = change.and_then(|change| change.keys());
        let image = change.and_then(|change| change.new_image());
        let holds = |pattern: &Pattern| {
            all_hold(&pattern.keys, keys) && all_hold(&pattern.new_image, image)
        };
        self.0.is_empty() || self.0.iter().any(holds)
    }
}

fn parse(pattern: &str) -> Result<Pattern, UnsupportedFilter> {
    let pattern = serde_json::from_str(pattern).map_err(|_| UnsupportedFilter::NotAnObject)?;
    let Value::Object(pattern) = pattern else { return Err(UnsupportedFilter::NotAnObject) };
    if let Some(other) = pattern.keys().find(|member| *member != "dynamodb") {
        return Err(UnsupportedFilter::Part(format!("`{other}`")));
    }
    let mut tests = Pattern::default();
    for (name, of_name) in object(pattern.get("dynamodb"), "dynamodb")? {
        let path = format!("dynamodb.{name}");
        let into = match name.as_str() {
            "Keys" => &mut tests.keys,
            "NewImage" => &mut tests.new_image,
            _ => return Err(UnsupportedFilter::Part(format!("`{path}`"))),
        };
        *into = tests_of(object(Some(of_name), &path)?, &path)?;
    }
    Ok(tests)
}

/// A member that is an object with members.
fn object<'a>(
    member: Option<&'a Value>,
    path: &str,
) -> Result<&'a Map<String, Value>, UnsupportedFilter> {
    let fault = |fault| UnsupportedFilter::Part(format!("`{path}` is {fault}"));
    let members = member.and_then(Value::as_object).ok_or_else(|| fault("not an object"))?;
    if members.is_empty() { Err(fault("empty")) } else { Ok(members) }
}

fn tests_of(object: &Map<String, Value>, path: &str) -> Result<Vec<Test>, UnsupportedFilter> {
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
        ("M", Value::Object(_)) => {
            return tests_of(object(Some(pattern), path)?, path).map(Expected::Map);
        }
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
        (Kind::Binary, Value::String(base64)) => {
            let bytes = base64_simd::STANDARD.decode_to_vec(base64);
            let fault = |_| UnsupportedFilter::Part(format!("not base64 at `{path}`"));
            bytes.map(Condition::Bytes).map_err(fault)
        }
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
    Bytes(&'a [u8]),
}

fn leaf(kind: Kind, value: &AttributeValue) -> Option<Leaf<'_>> {
    match (kind, value) {
        (Kind::Text, AttributeValue::S(text)) | (Kind::Number, AttributeValue::N(text)) => {
            Some(Leaf::Text(text))
        }
        (Kind::Truth, AttributeValue::Bool(truth)) | (Kind::Null, AttributeValue::Null(truth)) => {
            Some(Leaf::Truth(*truth))
        }
        (Kind::Binary, AttributeValue::B(bytes)) => Some(Leaf::Bytes(bytes.as_ref())),
        _ => None,
    }
}

fn holds(condition: &Condition, value: Option<Leaf<'_>>) -> bool {
    match (condition, value) {
        (Condition::Exists(exists), value) => value.is_some() == *exists,
        (Condition::Text(expected), Some(Leaf::Text(text))) => expected == text,
        (Condition::Bytes(expected), Some(Leaf::Bytes(bytes))) => expected == bytes,
        (Condition::Truth(expected), Some(Leaf::Truth(truth))) => *expected == truth,
        (Condition::Text(_) | Condition::Bytes(_) | Condition::Truth(_), _) => false,
    }
}

#[cfg(test)]
mod tests;
