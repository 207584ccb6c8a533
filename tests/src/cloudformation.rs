//! CloudFormation templates as JSON, for tests about their content. The short forms of YAML become
//! the long ones: `!Ref X` is `{"Ref":"X"}`, `!GetAtt A.B` is `{"Fn::GetAtt":["A","B"]}`, any other
//! `!Name v` is `{"Fn::Name":v}`.
//!
//! Nothing is resolved here; [`Stack`] resolves a template.

use std::error::Error;
use std::fs;
use std::path::Path;

use saphyr::{LoadableYamlNode as _, ScalarOwned, YamlOwned};
use serde_json::{Map, Value, json};

mod stack;

pub use self::stack::Stack;

/// Reads a template or any other YAML file of the repository.
///
/// # Errors
/// The file cannot be read, or is not YAML with one document and string keys.
pub fn load(path: &str) -> Result<Value, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = fs::read_to_string(root.join(path)).map_err(|error| format!("{path}: {error}"))?;
    parse(&text).map_err(|error| format!("{path}: {error}").into())
}

/// Like [`load`], from a text.
///
/// # Errors
/// The text is not YAML with one document and string keys.
pub fn parse(text: &str) -> Result<Value, Box<dyn Error>> {
    let documents = YamlOwned::load_from_str(text)?;
    let [document] = documents.as_slice() else {
        return Err(format!("one document expected documents=`{}`", documents.len()).into());
    };
    value(document)
}

fn value(node: &YamlOwned) -> Result<Value, Box<dyn Error>> {
    match node {
        YamlOwned::Value(scalar) => Ok(scalar_value(scalar)),
        YamlOwned::Sequence(items) => items.iter().map(value).collect(),
        YamlOwned::Mapping(entries) => {
            let entries = entries.iter().map(|(key, node)| Ok((text(key)?, value(node)?)));
            Ok(Value::Object(entries.collect::<Result<Map<_, _>, Box<dyn Error>>>()?))
        }
        YamlOwned::Tagged(tag, node) => function(&tag.suffix, value(node)?),
        YamlOwned::Representation(..) | YamlOwned::Alias(_) | YamlOwned::BadValue => {
            Err("a node has no value".into())
        }
    }
}

fn scalar_value(scalar: &ScalarOwned) -> Value {
    match scalar {
        ScalarOwned::Null => Value::Null,
        ScalarOwned::Boolean(boolean) => json!(boolean),
        ScalarOwned::Integer(integer) => json!(integer),
        ScalarOwned::FloatingPoint(number) => json!(number.into_inner()),
        ScalarOwned::String(text) => json!(text),
    }
}

/// Keys are strings even if they look like numbers, for example status codes.
fn text(key: &YamlOwned) -> Result<String, Box<dyn Error>> {
    match value(key)? {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(format!("a key is not a string key=`{other}`").into()),
    }
}

fn function(name: &str, argument: Value) -> Result<Value, Box<dyn Error>> {
    match (name, &argument) {
        ("Ref" | "Condition", _) => Ok(json!({ name: argument })),
        ("GetAtt", Value::String(path)) => {
            let (resource, attribute) = path.split_once('.').ok_or("an attribute has no name")?;
            Ok(json!({ "Fn::GetAtt": [resource, attribute] }))
        }
        _ => Ok(json!({ format!("Fn::{name}"): argument })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_forms_become_long_ones() {
        let template = "
Date: 2010-09-09
A: !Ref AWS::NoValue
B: !GetAtt Table.Arn
C: !GetAtt [Table, Arn]
D: !If [HasKey, !Sub '${A}-x', [1, 2.5, true, '1']]
E: !Not [!Condition HasKey]
F: { 200: !ImportValue x, a: }
";
        let expected = json!({
            "Date": "2010-09-09",
            "A": {"Ref": "AWS::NoValue"},
            "B": {"Fn::GetAtt": ["Table", "Arn"]},
            "C": {"Fn::GetAtt": ["Table", "Arn"]},
            "D": {"Fn::If": ["HasKey", {"Fn::Sub": "${A}-x"}, [1, 2.5, true, "1"]]},
            "E": {"Fn::Not": [{"Condition": "HasKey"}]},
            "F": {"200": {"Fn::ImportValue": "x"}, "a": null},
        });
        assert_eq!(parse(template).expect("YAML"), expected);
    }

    #[test]
    fn anything_but_one_document_is_rejected() {
        for text in ["", "a: 1\n---\nb: 2\n", "a: [", "a: 1\na: 2\n", "[a]: 1\n"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
