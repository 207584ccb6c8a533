//! A template resolved with given parameters: loops unrolled, conditions decided, functions
//! applied. Values that only AWS knows stay readable: `${Table}` for a reference, `${Table.Arn}`
//! for an attribute, `<name>` for an import.
//!
//! Not supported: the SAM macro. A test that depends on the additions of SAM asserts that the
//! template gives SAM no reason to add anything.

#![expect(clippy::indexing_slicing, reason = "JSON returns null for a missing member")]

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

const LOOP: &str = "Fn::ForEach::";
const PSEUDO: [(&str, &str); 5] = [
    ("AWS::AccountId", "111122223333"),
    ("AWS::Partition", "aws"),
    ("AWS::Region", "eu-central-1"),
    ("AWS::StackName", "drover"),
    ("AWS::URLSuffix", "amazonaws.com"),
];

/// A template with given parameters.
pub struct Stack {
    parameters: BTreeMap<String, Value>,
    template: Value,
}

impl Stack {
    /// Uses the defaults of all other parameters.
    ///
    /// # Panics
    /// The template lacks the parameter, or uses an unsupported feature.
    #[expect(clippy::panic, reason = "a wrong template fails the test that reads it")]
    pub fn new(template: &Value, given: &[(&str, &str)]) -> Self {
        let mut parameters = BTreeMap::new();
        for (name, definition) in entries(&template["Parameters"]) {
            parameters.insert(name.clone(), list(definition, &definition["Default"]));
        }
        for (name, value) in given {
            let definition = &template["Parameters"][*name];
            if definition.is_null() {
                panic!("unknown parameter: {name}");
            }
            parameters.insert((*name).to_owned(), list(definition, &json!(value)));
        }
        let template = unrolled(template, &parameters, &BTreeMap::new());
        Self { parameters, template }
    }

    /// The resources whose conditions hold, by name.
    pub fn resources(&self) -> BTreeMap<String, Value> {
        let all = entries(&self.template["Resources"]);
        let there = all.filter(|(_, one)| match one["Condition"].as_str() {
            Some(condition) => self.holds(condition),
            None => true,
        });
        there.filter_map(|(name, one)| Some((name.clone(), self.value(one)?))).collect()
    }

    /// The resources of one type.
    pub fn of_type(&self, kind: &str) -> BTreeMap<String, Value> {
        self.resources().into_iter().filter(|(_, one)| one["Type"] == kind).collect()
    }

    /// Another section of the template, such as `Globals` or `Outputs`.
    pub fn section(&self, name: &str) -> Value {
        self.value(&self.template[name]).unwrap_or_default()
    }

    /// The descriptions of the rules' assertions that the parameters break. CloudFormation would refuse them.
    pub fn broken_rules(&self) -> Vec<String> {
        let rules = self.section("Rules");
        let applied = entries(&rules).filter(|(_, rule)| rule["RuleCondition"] != json!(false));
        let assertions = applied.flat_map(|(_, rule)| items(&rule["Assertions"]));
        let broken = assertions.filter(|one| one["Assert"] != json!(true));
        broken.map(|one| text(&one["AssertDescription"]).to_owned()).collect()
    }

    fn holds(&self, condition: &str) -> bool {
        self.value(&self.template["Conditions"][condition]) == Some(Value::Bool(true))
    }

    /// `None` is the result of `AWS::NoValue`.
    fn value(&self, node: &Value) -> Option<Value> {
        match node {
            Value::Array(items) => Some(items.iter().filter_map(|item| self.value(item)).collect()),
            Value::Object(fields) => match only(fields) {
                Some((name, argument)) if name == "Ref" || name.starts_with("Fn::") => {
                    self.function(name, argument)
                }
                Some(("Condition", Value::String(name))) => Some(json!(self.holds(name))),
                _ => {
                    let fields = fields.iter();
                    let fields =
                        fields.filter_map(|(key, one)| Some((key.clone(), self.value(one)?)));
                    Some(Value::Object(fields.collect()))
                }
            },
            _ => Some(node.clone()),
        }
    }

    #[expect(clippy::panic, reason = "a wrong template fails the test that reads it")]
    fn function(&self, name: &str, argument: &Value) -> Option<Value> {
        if name == "Fn::If" {
            let [Value::String(condition), then, otherwise] = items(argument) else {
                panic!("an If of other than three: {argument}");
            };
            return self.value(if self.holds(condition) { then } else { otherwise });
        }
        if name == "Ref" {
            return self.reference(text(argument));
        }
        if name == "Fn::Sub" {
            return Some(json!(self.substituted(argument)));
        }
        let argument = self.value(argument)?;
        let items = items(&argument);
        Some(match (name, items) {
            ("Fn::Equals", [left, right]) => json!(plain(left) == plain(right)),
            ("Fn::Not", [one]) => json!(*one == json!(false)),
            ("Fn::And", all) => json!(all.iter().all(|one| *one == json!(true))),
            ("Fn::Or", any) => json!(any.contains(&json!(true))),
            ("Fn::Contains", [all, one]) => json!(self::items(all).contains(one)),
            ("Fn::EachMemberEquals", [all, one]) => {
                json!(self::items(all).iter().all(|item| item == one))
            }
            ("Fn::GetAtt", [resource, attribute]) => {
                json!(format!("${{{}.{}}}", text(resource), text(attribute)))
            }
            ("Fn::ImportValue", _) => json!(format!("<{}>", text(&argument))),
            ("Fn::Join", [between, parts]) => {
                json!(self::items(parts).iter().map(plain).collect::<Vec<_>>().join(text(between)))
            }
            ("Fn::Split", [at, whole]) => text(whole).split(text(at)).collect(),
            ("Fn::Select", [index, from]) => {
                self::items(from)[plain(index).parse::<usize>().unwrap_or(usize::MAX)].clone()
            }
            _ => panic!("not known here: {name} of {argument}"),
        })
    }

    fn reference(&self, name: &str) -> Option<Value> {
        if name == "AWS::NoValue" {
            return None;
        }
        let pseudo = PSEUDO.iter().find(|(one, _)| *one == name).map(|(_, value)| json!(value));
        let parameter = || self.parameters.get(name).cloned();
        Some(pseudo.or_else(parameter).unwrap_or_else(|| json!(format!("${{{name}}}"))))
    }

    fn substituted(&self, argument: &Value) -> String {
        let (pattern, own) = match argument {
            Value::Array(both) => (text(&both[0]), self.value(&both[1]).unwrap_or_default()),
            _ => (text(argument), Value::Null),
        };
        let mut parts = pattern.split("${");
        let mut whole = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once('}').unwrap_or((part, ""));
            let value = match &own[name] {
                Value::Null => self.reference(name).unwrap_or_default(),
                value => value.clone(),
            };
            whole.push_str(&plain(&value));
            whole.push_str(rest);
        }
        whole
    }
}

/// Replaces every loop by its result.
fn unrolled(
    node: &Value,
    parameters: &BTreeMap<String, Value>,
    names: &BTreeMap<String, String>,
) -> Value {
    match node {
        Value::Array(all) => all.iter().map(|one| unrolled(one, parameters, names)).collect(),
        Value::String(text) => json!(named(text, names)),
        Value::Object(fields) => {
            if let Some(("Ref", Value::String(name))) = only(fields)
                && let Some(value) = names.get(name)
            {
                return json!(value);
            }
            let mut all = Map::new();
            for (key, value) in fields {
                if key.starts_with(LOOP) {
                    all.extend(turns(value, parameters, names));
                } else {
                    all.insert(named(key, names), unrolled(value, parameters, names));
                }
            }
            Value::Object(all)
        }
        _ => node.clone(),
    }
}

#[expect(clippy::panic, reason = "a wrong template fails the test that reads it")]
fn turns(
    described: &Value,
    parameters: &BTreeMap<String, Value>,
    names: &BTreeMap<String, String>,
) -> Map<String, Value> {
    let [Value::String(identifier), collection, fragment] = items(described) else {
        panic!("a loop of other than three: {described}");
    };
    let collection = match collection["Ref"].as_str() {
        Some(parameter) => &parameters[parameter],
        None => collection,
    };
    let mut made = Map::new();
    for item in items(collection) {
        let mut names = names.clone();
        names.insert(identifier.clone(), text(item).to_owned());
        for (key, value) in entries(&unrolled(fragment, parameters, &names)) {
            let before = made.insert(key.clone(), value.clone());
            assert!(before.is_none(), "made twice: {key}");
        }
    }
    made
}

/// Substitutes `${Name}` unchanged, and `&{Name}` with letters and digits only.
fn named(text: &str, names: &BTreeMap<String, String>) -> String {
    names.iter().fold(text.to_owned(), |text, (name, value)| {
        let letters: String = value.chars().filter(char::is_ascii_alphanumeric).collect();
        text.replace(&format!("${{{name}}}"), value).replace(&format!("&{{{name}}}"), &letters)
    })
}

fn list(definition: &Value, value: &Value) -> Value {
    if definition["Type"] == "CommaDelimitedList" {
        return plain(value).split(',').collect();
    }
    value.clone()
}

fn only(fields: &Map<String, Value>) -> Option<(&str, &Value)> {
    let mut fields = fields.iter();
    let (key, value) = fields.next()?;
    fields.next().is_none().then_some((key.as_str(), value))
}

fn entries(node: &Value) -> impl Iterator<Item = (&String, &Value)> {
    node.as_object().into_iter().flatten()
}

fn items(node: &Value) -> &[Value] {
    node.as_array().map_or(&[], Vec::as_slice)
}

fn text(node: &Value) -> &str {
    node.as_str().unwrap_or_default()
}

/// The value inside a text: numbers and booleans without quotes.
fn plain(node: &Value) -> String {
    node.as_str().map_or_else(|| node.to_string(), str::to_owned)
}
