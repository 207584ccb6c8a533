//! JSON Schema 2020-12 for records and documents: a compiled schema, and faults that name a place and never
//! quote its value.
//!
//! Patterns run in linear time, so that no record can make a contract slow; schemas with look-around
//! patterns are refused. Schemas with references to other documents are refused, too, because a document
//! from the network may change.

pub(crate) mod subset;

use jsonschema::error::ValidationErrorKind as Kind;
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;

use crate::intake::fault::Fault;

/// A compiled schema.
#[derive(Clone, Debug)]
pub(crate) struct Schema(Validator);

impl Schema {
    /// Compiles a schema.
    pub(crate) fn compile(schema: &Value) -> Result<Self, Fault> {
        jsonschema::options()
            .offline()
            .with_pattern_options(PatternOptions::regex())
            .build(schema)
            .map(Self)
            .map_err(|error| Fault::new(error.instance_path().as_str(), error.to_string()))
    }

    /// The first fault of an instance. Most instances have no fault, and checking validity is cheaper than
    /// searching for a fault.
    pub(crate) fn first_fault(&self, instance: &Value) -> Option<Fault> {
        if self.0.is_valid(instance) {
            return None;
        }
        let first = self.0.validate(instance).err();
        first.and_then(|error| described(&error).into_iter().next())
    }

    /// Every fault of an instance.
    pub(crate) fn faults(&self, instance: &Value) -> Vec<Fault> {
        self.0.iter_errors(instance).flat_map(|error| described(&error)).collect()
    }
}

/// The validator reports an absent or unknown field at the enclosing object; the fault names the field.
fn described(error: &ValidationError<'_>) -> Vec<Fault> {
    let path = error.instance_path().as_str();
    let field = |name: &str, message| Fault::new(child(path, name), message);
    match error.kind() {
        Kind::Required { property: Value::String(name) } => {
            vec![field(name, "this field is required")]
        }
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            unexpected.iter().map(|name| field(name, "no such field is known")).collect()
        }
        _ => vec![Fault::new(path, message(error))],
    }
}

/// The type and the length of a value, without its content.
pub(crate) fn kind_of(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "a truth value".to_owned(),
        Value::Number(number) if number.is_f64() => "a number".to_owned(),
        Value::Number(_) => "a whole number".to_owned(),
        Value::String(text) if text.is_empty() => "an empty text".to_owned(),
        Value::String(text) => format!("a text of {} characters", text.chars().count()),
        Value::Array(items) => format!("a list of {} elements", items.len()),
        Value::Object(members) => format!("an object of {} members", members.len()),
    }
}

/// The expectation of the schema, and the type of the value. Only messages that contain nothing of the value are shown.
fn message(error: &ValidationError<'_>) -> String {
    const LIMIT: usize = 256;
    match error.kind() {
        Kind::Type { .. }
        | Kind::Enum { .. }
        | Kind::Constant { .. }
        | Kind::Pattern { .. }
        | Kind::Format { .. }
        | Kind::Minimum { .. }
        | Kind::Maximum { .. }
        | Kind::ExclusiveMinimum { .. }
        | Kind::ExclusiveMaximum { .. }
        | Kind::MultipleOf { .. }
        | Kind::MinLength { .. }
        | Kind::MaxLength { .. }
        | Kind::MinItems { .. }
        | Kind::MaxItems { .. }
        | Kind::MinProperties { .. }
        | Kind::MaxProperties { .. }
        | Kind::UniqueItems => {
            let wanted = error.masked_with("this").to_string();
            let wanted: String = wanted.chars().take(LIMIT).collect();
            format!("{wanted}; came {}", kind_of(error.instance()))
        }
        kind => {
            let came = kind_of(error.instance());
            format!("the schema refuses this: keyword=`{}`; came {came}", kind.keyword())
        }
    }
}

/// The pointer to a field of the object at `path` (RFC 6901, section 3).
pub(crate) fn child(path: &str, name: &str) -> String {
    format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(schema: &Value, instance: &Value, expected: &[(&str, &str)]) {
        let schema = Schema::compile(schema).expect("a schema");
        let faults = schema.faults(instance);
        let found: Vec<_> =
            faults.iter().map(|fault| (fault.path.as_str(), fault.message.as_str())).collect();
        assert_eq!(found, expected);
        assert_eq!(schema.first_fault(instance), faults.into_iter().next());
    }

    #[test]
    fn a_fault_names_the_place_and_not_what_stands_there() {
        let schema = json!({"properties": {"a": {"type": "number"}, "b": {"enum": ["x"]}}});
        check(
            &schema,
            &json!({"a": "secret"}),
            &[("/a", "this is not of type \"number\"; came a text of 6 characters")],
        );
        check(
            &schema,
            &json!({"b": "secret"}),
            &[("/b", "this is not one of \"x\"; came a text of 6 characters")],
        );
        check(
            &json!({"not": {"const": "secret"}}),
            &json!("secret"),
            &[("", "the schema refuses this: keyword=`not`; came a text of 6 characters")],
        );
    }

    #[test]
    fn a_field_that_is_missing_or_unknown_is_named_itself() {
        let schema =
            json!({"required": ["a/b"], "properties": {"a/b": {}}, "additionalProperties": false});
        check(&schema, &json!({"a/b": 1}), &[]);
        check(&schema, &json!({}), &[("/a~1b", "this field is required")]);
        check(
            &schema,
            &json!({"a/b": 1, "c": 2, "d": 3}),
            &[("/c", "no such field is known"), ("/d", "no such field is known")],
        );
    }

    #[test]
    fn a_schema_that_needs_the_network_or_looks_around_is_refused() {
        for schema in [
            json!({"$ref": "https://example.com/schema.json"}),
            json!({"properties": {"a": {"pattern": "^(?=a)b"}}}),
            json!({"type": "numbr"}),
        ] {
            assert!(Schema::compile(&schema).is_err(), "{schema}");
        }
    }
}
