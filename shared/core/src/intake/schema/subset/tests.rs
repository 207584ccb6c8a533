//! The comparison of schemas: examples, and a property test of its promise.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::intake::schema::Schema;

fn check(from: Value, to: Value, expected: &[(&str, Verdict)]) {
    let found = differences(&from, &to);
    let found: Vec<(&str, Verdict)> =
        found.iter().map(|one| (one.path.as_str(), one.verdict)).collect();
    assert_eq!(found, expected, "{from} to {to}");
}

fn accepts_all(from: Value, to: Value) {
    check(from, to, &[]);
}

fn rejects(from: Value, to: Value, path: &str) {
    check(from, to, &[(path, Verdict::Rejects)]);
}

fn undecided(from: Value, to: Value, path: &str) {
    check(from, to, &[(path, Verdict::Undecided)]);
}

#[test]
fn what_is_relaxed_accepts_all() {
    let narrow = json!({"type": "object", "required": ["a", "b"], "additionalProperties": false,
        "properties": {"a": {"type": "integer", "minimum": 0}, "b": {"enum": ["x", "y"]}}});
    accepts_all(narrow.clone(), narrow.clone());
    accepts_all(narrow.clone(), json!(true));
    accepts_all(narrow.clone(), json!({"title": "anything"}));
    accepts_all(json!(false), narrow.clone());
    accepts_all(narrow.clone(), json!({"required": ["a"]}));
    accepts_all(narrow.clone(), json!({"properties": {"a": {"type": ["number", "string"]}}}));
    accepts_all(narrow.clone(), json!({"properties": {"a": {"minimum": -1}}}));
    accepts_all(narrow.clone(), json!({"properties": {"b": {"type": "string"}}}));
    accepts_all(narrow.clone(), json!({"properties": {"b": {"enum": ["x", "y", "z"]}}}));
    // The old schema has no such member.
    accepts_all(narrow.clone(), json!({"properties": {"c": {"type": "string"}}}));
    accepts_all(narrow, json!({"minLength": 3, "minItems": 1}));
    accepts_all(json!({"items": {"maximum": 3}}), json!({"items": {"maximum": 4}}));
    accepts_all(json!({"anyOf": [{"type": "null"}]}), json!({"anyOf": [{"type": "null"}, {}]}));
    accepts_all(
        json!({"type": "object", "patternProperties": {"^x": {"type": "null"}}, "properties": {"a": {"minimum": 1}}}),
        json!({"type": "object", "properties": {"a": {"minimum": 0}}}),
    );
}

#[test]
fn what_is_narrowed_rejects_with_the_path() {
    rejects(json!(true), json!({"type": "object"}), "/type");
    rejects(json!({"type": ["null", "string"]}), json!({"type": "string"}), "/type");
    rejects(json!({"type": "number"}), json!({"type": "integer"}), "/type");
    rejects(json!({}), json!(false), "");
    rejects(json!({"type": "object"}), json!({"required": ["a"]}), "/required");
    let closed = json!({"properties": {"a": {}}, "additionalProperties": false});
    rejects(json!({"properties": {"a": {}}}), closed.clone(), "/additionalProperties");
    check(
        json!({"properties": {"a": {}, "b/c": {}}, "additionalProperties": false}),
        closed,
        &[("/additionalProperties", Verdict::Rejects)],
    );
    let of = |schema: Value| json!({"properties": {"b/c": schema}});
    rejects(of(json!({"maximum": 5})), of(json!({"maximum": 4})), "/properties/b~1c/maximum");
    rejects(of(json!({})), of(json!({"minLength": 1})), "/properties/b~1c/minLength");
    rejects(of(json!({"enum": [1, 2]})), of(json!({"enum": [1]})), "/properties/b~1c/enum");
    rejects(of(json!({"type": "string"})), of(json!({"const": "x"})), "/properties/b~1c/const");
    rejects(
        json!({"items": {"type": "null"}}),
        json!({"items": {"type": "string"}}),
        "/items/type",
    );
    rejects(json!({}), json!({"allOf": [{"required": ["a"]}]}), "/allOf/0/required");
    rejects(json!({"minimum": 5}), json!({"minimum": 5.5}), "/minimum");
    let guarded = |more: Value| json!({"if": {"required": ["a"]}, "then": {"minProperties": 2}, "required": more});
    rejects(guarded(json!([])), guarded(json!(["b"])), "/required");
    // Above 2^53, doubles cannot tell these numbers apart.
    rejects(
        json!({"minimum": 9_007_199_254_740_992_i64}),
        json!({"minimum": 9_007_199_254_740_993_i64}),
        "/minimum",
    );
}

#[test]
fn what_cannot_be_decided_is_said() {
    undecided(json!({"pattern": "^a"}), json!({"pattern": "^[a-z]"}), "/pattern");
    undecided(json!({}), json!({"oneOf": [{}, {"type": "null"}]}), "/oneOf");
    undecided(json!({"not": {"type": "null"}}), json!({"not": {"type": "string"}}), "/not");
    undecided(json!({"minContains": 0, "contains": {}}), json!({"contains": {}}), "/contains");
    undecided(json!({}), json!({"format": "date"}), "/format");
    let guarded = |name: &str| json!({"if": {"required": [name]}, "then": {"minProperties": 2}});
    check(
        guarded("a"),
        guarded("b"),
        &[("/if", Verdict::Undecided), ("/then", Verdict::Undecided)],
    );
    undecided(
        json!({"$schema": "http://json-schema.org/draft-07/schema#"}),
        json!({"$schema": "https://json-schema.org/draft/2020-12/schema"}),
        "/$schema",
    );
    undecided(json!({"prefixItems": [{}]}), json!({"prefixItems": [{}], "items": {}}), "/items");
}

#[test]
fn references_are_followed() {
    let of =
        |target: Value| json!({"properties": {"a": {"$ref": "#/$defs/t"}}, "$defs": {"t": target}});
    accepts_all(of(json!({"minimum": 3})), of(json!({"minimum": 2})));
    rejects(of(json!({"minimum": 3})), of(json!({"minimum": 4})), "/properties/a/minimum");
    accepts_all(of(json!({"minimum": 3})), json!({"properties": {"a": {"minimum": 3}}}));
    undecided(of(json!({})), json!({"properties": {"a": {"$ref": "#/no"}}}), "/properties/a");
    // An equal text with another target means something else.
    let all = |target: Value| json!({"not": {"$ref": "#/$defs/t"}, "$defs": {"t": target}});
    undecided(all(json!({"minimum": 3})), all(json!({"minimum": 4})), "/not");
    let endless = |minimum: i64| json!({"minimum": minimum, "properties": {"a": {"$ref": "#"}}});
    let found = differences(&endless(2), &endless(1));
    assert!(found.iter().all(|one| one.verdict == Verdict::Undecided), "{found:?}");
}

#[test]
fn the_number_of_differences_is_bounded() {
    let many = |minimum: i64| {
        let members = (0..100).map(|at| (format!("m{at}"), json!({"minimum": minimum})));
        json!({"properties": members.collect::<Map<_, _>>()})
    };
    assert_eq!(differences(&many(1), &many(2)).len(), DIFFERENCES);
}

fn a_leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        (-2i64..4).prop_map(Value::from),
        Just(json!(1.5)),
        "[ab]{0,2}".prop_map(Value::from),
    ]
}

fn a_value() -> impl Strategy<Value = Value> {
    a_leaf().prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map("[abc]", inner, 0..3)
                .prop_map(|members| members.into_iter().collect::<Map<_, _>>().into()),
        ]
    })
}

fn a_type() -> impl Strategy<Value = Value> {
    const NAMES: [&str; 7] = ["null", "boolean", "integer", "number", "string", "array", "object"];
    proptest::sample::subsequence(&NAMES[..], 1..5).prop_map(|names| json!(names))
}

/// One keyword with its value; `inner` makes the schemas in it.
fn a_keyword(inner: BoxedStrategy<Value>) -> BoxedStrategy<(String, Value)> {
    let named = |name: &'static str| move |value: Value| (name.to_owned(), value);
    let number = || (-1i64..4).prop_map(Value::from);
    let schemas = || proptest::collection::vec(inner.clone(), 1..3).prop_map(Value::from);
    let members = || {
        proptest::collection::btree_map("[abc]", inner.clone(), 0..3)
            .prop_map(|members| Value::from(members.into_iter().collect::<Map<_, _>>()))
    };
    prop_oneof![
        3 => a_type().prop_map(named("type")),
        1 => a_leaf().prop_map(named("const")),
        1 => proptest::collection::vec(a_leaf(), 1..4).prop_map(|list| ("enum".to_owned(), json!(list))),
        1 => number().prop_map(named("minimum")),
        1 => number().prop_map(named("exclusiveMaximum")),
        1 => (0u64..3).prop_map(|length| ("minLength".to_owned(), json!(length))),
        1 => (0u64..3).prop_map(|length| ("maxItems".to_owned(), json!(length))),
        1 => (0u64..3).prop_map(|length| ("minProperties".to_owned(), json!(length))),
        1 => proptest::sample::subsequence(&["a", "b", "c"][..], 0..3)
            .prop_map(|names| ("required".to_owned(), json!(names))),
        3 => members().prop_map(named("properties")),
        2 => inner.clone().prop_map(named("additionalProperties")),
        2 => inner.clone().prop_map(named("items")),
        1 => schemas().prop_map(named("allOf")),
        1 => schemas().prop_map(named("anyOf")),
        1 => schemas().prop_map(named("prefixItems")),
        1 => inner.clone().prop_map(named("not")),
        1 => inner.clone().prop_map(named("contains")),
        1 => members().prop_map(|members| ("patternProperties".to_owned(), members)),
        1 => Just(("$ref".to_owned(), json!("#/$defs/t"))),
    ]
    .boxed()
}

fn a_schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![2 => Just(json!({})), 1 => any::<bool>().prop_map(Value::from)].boxed();
    let inner = leaf.prop_recursive(2, 12, 3, |inner| {
        proptest::collection::vec(a_keyword(inner.boxed()), 0..3)
            .prop_map(|keywords| keywords.into_iter().collect::<Map<_, _>>().into())
    });
    let target = prop_oneof![Just(json!({"type": "integer"})), Just(json!({"maxLength": 1}))];
    let whole = proptest::collection::vec(a_keyword(inner.boxed()), 0..4);
    (whole, target).prop_map(|(keywords, target)| {
        let mut schema: Map<String, Value> = keywords.into_iter().collect();
        schema.insert("$defs".to_owned(), json!({"t": target}));
        schema.into()
    })
}

/// A schema, and the same schema with some keywords of it replaced.
fn two_schemas() -> impl Strategy<Value = (Value, Value)> {
    (a_schema(), a_schema(), any::<u8>()).prop_map(|(one, other, kept)| {
        let mut mixed = one.clone();
        let members = mixed.as_object_mut().expect("an object");
        for (at, (keyword, value)) in other.as_object().expect("an object").iter().enumerate() {
            if kept & (1 << (at % 8)) == 0 {
                members.insert(keyword.clone(), value.clone());
            }
        }
        (one, mixed)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    /// Without a difference, the second schema accepts what the first one accepts.
    #[test]
    fn no_difference_means_that_nothing_more_is_rejected(
        (one, other) in two_schemas(),
        values in proptest::collection::vec(a_value(), 20),
    ) {
        let (Ok(first), Ok(second)) = (Schema::compile(&one), Schema::compile(&other)) else {
            return Ok(());
        };
        for (from, to, from_schema, to_schema) in
            [(&one, &other, &first, &second), (&other, &one, &second, &first)]
        {
            if differences(from, to).is_empty() {
                for value in &values {
                    let accepted = from_schema.first_fault(value).is_none();
                    prop_assert!(
                        !accepted || to_schema.first_fault(value).is_none(),
                        "{from} accepts {value}, and {to} does not"
                    );
                }
            }
        }
    }
}
