//! Texts that are JSON, and those that are not.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn check(text: impl AsRef<[u8]>, code: Code, path: Option<&str>, message: &str) {
    let rejection = parse(text.as_ref()).expect_err("no JSON");
    assert_eq!((rejection.code, rejection.path.as_deref()), (code, path), "{rejection}");
    assert!(rejection.message.contains(message), "{rejection}");
    assert!(!rejection.message.contains("secret"), "{rejection}");
}

#[test]
fn each_cause_has_a_message_of_its_own() {
    use Code::{MalformedJson, SchemaViolation, UnsupportedEncoding};
    check("", MalformedJson, None, "the text is empty");
    check(" \n", MalformedJson, None, "the text is empty");
    check("{\"a\":", MalformedJson, None, "ends too early: line=`1` column=`6`");
    check("[1,\n\"secret", MalformedJson, None, "ends too early: line=`2`");
    check("{\"a\":secret}", MalformedJson, None, "this is not JSON: line=`1` column=`6`");
    check("{\"a\" 1}", MalformedJson, None, "this is not JSON");
    check("{} {}", MalformedJson, None, "this is not JSON");
    check("[".repeat(200), MalformedJson, None, "too deep: limit=`127`");
    check("{\"a\":{\"b/c\":1,\"b/c\":2}}", MalformedJson, Some("/a/b~1c"), "twice");
    check("{\"a\":1,\"\\u0061\":2}", MalformedJson, Some("/a"), "twice");
    check("{\"a\":[0,1e400]}", SchemaViolation, Some("/a/1"), "out of range");
    check("{\"a\":[0,NaN]}", MalformedJson, Some("/a/1"), "NaN is not JSON; a contract of");
    check("{\"a\":-Infinity}", MalformedJson, Some("/a"), "-Infinity is not JSON");
    check(b"\x1f\x8b\x08\x00", UnsupportedEncoding, None, "looks like gzip");
    check(b"\x28\xb5\x2f\xfd\x00", UnsupportedEncoding, None, "looks like zstd");
    check(
        b"{\"a\":\"Gr\xfc\xdfe\"}",
        MalformedJson,
        None,
        "not UTF-8: byte=`8`; it looks like Latin-1",
    );
    check(b"\xff\xfe{\0}\0", MalformedJson, None, "UTF-16, little-endian");
    check(b"\xfe\xff\0{\0}", MalformedJson, None, "UTF-16, big-endian");
    check(b"\0\0\0\x01\x07\xff", UnsupportedEncoding, None, "schema registry");
    check(b"\0\0\0\x01\x07{}", UnsupportedEncoding, None, "schema=`263`");
    check(b"\x08\xff", MalformedJson, None, "a binary format");
}

#[test]
fn bare_words_become_null_and_texts_stay() {
    let lenient =
        |text: &str| without_bare_words(text.as_bytes()).map(|text| parse(&text).expect("JSON"));
    assert_eq!(
        lenient(r#"{"a":nan,"b":[-Infinity,NaN , 1],"NaN":"NaN","c":"\"NaN","d":Infinity}"#),
        Some(json!({"a": null, "b": [null, null, 1], "NaN": "NaN", "c": "\"NaN", "d": null}))
    );
    for text in [r#"{"a":null}"#, "[-1,null]", "\"NaN\"", "nano", "", "{\"a"] {
        assert_eq!(without_bare_words(text.as_bytes()), None, "{text}");
    }
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON has no others", |n| n.is_finite()).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn json_is_read_as_serde_json_reads_it(value in values()) {
        let text = value.to_string();
        let expected: Value = serde_json::from_str(&text).expect("JSON");
        prop_assert_eq!(parse(text.as_bytes()), Ok(expected));
    }

    #[test]
    fn whatever_the_bytes_there_is_a_value_or_a_reason(
        bytes in prop::collection::vec(any::<u8>(), 0..40),
        text in "[\\[\\]{}:,\"\\\\a1eNn\\- ]{0,40}",
    ) {
        let _ = parse(&bytes);
        let _ = parse(text.as_bytes());
        let _ = without_bare_words(text.as_bytes());
    }

    #[test]
    fn a_text_that_is_cut_ends_too_early(value in values(), cut in any::<prop::sample::Index>()) {
        let text = json!([value]).to_string();
        let mut end = cut.index(text.len() - 1) + 1;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        if let Err(rejection) = parse(&text.as_bytes()[..end.max(1)]) {
            prop_assert!(rejection.message.contains("ends too early"), "{}", rejection);
        }
    }
}
