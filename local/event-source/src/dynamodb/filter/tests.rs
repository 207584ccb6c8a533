//! Which patterns are accepted, and which records they match.

use aws_sdk_dynamodbstreams::types::StreamRecord;

use super::*;

fn record(image: Option<Image>) -> Record {
    Record::builder().dynamodb(StreamRecord::builder().set_new_image(image).build()).build()
}

fn image(attributes: &[(&str, AttributeValue)]) -> Record {
    let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    record(Some(attributes.collect()))
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn number(text: &str) -> AttributeValue {
    AttributeValue::N(text.to_owned())
}

fn check(patterns: &[&str], record: &Record, expected: bool) {
    let filters = Filters::parse(patterns).unwrap();
    assert_eq!(filters.matches(record), expected, "{patterns:?} {record:?}");
}

#[test]
fn without_patterns_every_record_matches() {
    check(&[], &record(None), true);
    check(&[], &image(&[("a", text("x"))]), true);
}

#[test]
fn exists_is_about_the_attribute_and_its_type() {
    let pattern = r#"{"dynamodb":{"NewImage":{"v":{"N":[{"exists":true}]}}}}"#;
    check(&[pattern], &image(&[("v", number("7"))]), true);
    check(&[pattern], &image(&[("v", text("7"))]), false);
    check(&[pattern], &image(&[("w", number("7"))]), false);
    check(&[pattern], &record(None), false);

    let pattern = r#"{"dynamodb":{"NewImage":{"v":{"B":[{"exists":false}]}}}}"#;
    check(&[pattern], &image(&[("v", AttributeValue::B(vec![1].into()))]), false);
    check(&[pattern], &image(&[("v", text("7"))]), true);
    check(&[pattern], &record(None), true);
}

#[test]
fn one_of_several_values_is_enough() {
    let pattern = r#"{"dynamodb":{"NewImage":{"state":{"S":["on","off"]}}}}"#;
    check(&[pattern], &image(&[("state", text("off"))]), true);
    check(&[pattern], &image(&[("state", text("OFF"))]), false);
    let pattern = r#"{"dynamodb":{"NewImage":{"state":{"S":["on",{"exists":false}]}}}}"#;
    check(&[pattern], &image(&[("state", text("off"))]), false);
    check(&[pattern], &image(&[]), true);
}

#[test]
fn all_attributes_of_a_pattern_must_match() {
    let pattern =
        r#"{"dynamodb":{"NewImage":{"a":{"N":["1"]},"b":{"BOOL":[true]},"c":{"NULL":[true]}}}}"#;
    let (yes, null) = (AttributeValue::Bool(true), AttributeValue::Null(true));
    let all = [("a", number("1")), ("b", yes), ("c", null)];
    check(&[pattern], &image(&all), true);
    check(&[pattern], &image(&all[..2]), false);
    check(&[pattern], &image(&[&[("a", number("1.0"))], &all[1..]].concat()), false);
}

#[test]
fn one_of_several_patterns_is_enough() {
    let of = |value| format!(r#"{{"dynamodb":{{"NewImage":{{"a":{{"S":["{value}"]}}}}}}}}"#);
    let (x, y) = (of("x"), of("y"));
    check(&[&x, &y], &image(&[("a", text("y"))]), true);
    check(&[&x, &y], &image(&[("a", text("z"))]), false);
}

#[test]
fn attributes_of_maps_are_reached() {
    let pattern = r#"{"dynamodb":{"NewImage":{"m":{"M":{"inner":{"S":["x"]}}}}}}"#;
    let map = |value| AttributeValue::M([("inner".to_owned(), text(value))].into());
    check(&[pattern], &image(&[("m", map("x"))]), true);
    check(&[pattern], &image(&[("m", map("y"))]), false);
    check(&[pattern], &image(&[("m", text("x"))]), false);
}

#[test]
fn keys_and_bytes_are_compared() {
    let keyed = |bytes: &[u8], image: Option<Image>| {
        let keys = [("sk".to_owned(), AttributeValue::B(bytes.into()))].into();
        let change = StreamRecord::builder().set_keys(Some(keys)).set_new_image(image);
        Record::builder().dynamodb(change.build()).build()
    };
    let pattern = r#"{"dynamodb":{"Keys":{"sk":{"B":["SA=="]}}}}"#;
    check(&[pattern], &keyed(b"H", None), true);
    check(&[pattern], &keyed(b"P", None), false);
    check(&[pattern], &image(&[("sk", AttributeValue::B(b"H".to_vec().into()))]), false);
    let both = r#"{"dynamodb":{"Keys":{"sk":{"B":["SA=="]}},"NewImage":{"a":{"S":["x"]}}}}"#;
    check(&[both], &keyed(b"H", Some([("a".to_owned(), text("x"))].into())), true);
    check(&[both], &keyed(b"H", None), false);
    check(&[both], &keyed(b"P", Some([("a".to_owned(), text("x"))].into())), false);
}

#[test]
fn every_other_pattern_is_refused_by_name() {
    for (pattern, named) in [
        (r#"{"eventName":["INSERT"]}"#, "`eventName`"),
        (r#"{"dynamodb":{"OldImage":{"a":{"S":["x"]}}}}"#, "`dynamodb.OldImage`"),
        (r#"{}"#, "`dynamodb` is not an object"),
        (r#"{"dynamodb":{}}"#, "`dynamodb` is empty"),
        (r#"{"dynamodb":{"Keys":[]}}"#, "`dynamodb.Keys` is not an object"),
        (r#"{"dynamodb":[]}"#, "`dynamodb` is not an object"),
        (r#"{"dynamodb":{"NewImage":{}}}"#, "`dynamodb.NewImage` is empty"),
        (r#"{"dynamodb":{"NewImage":{"a":["x"]}}}"#, "`dynamodb.NewImage.a` has no attribute type"),
        (r#"{"dynamodb":{"NewImage":{"a":{"S":[]}}}}"#, "`dynamodb.NewImage.a.S` is empty"),
        (r#"{"dynamodb":{"NewImage":{"a":{"S":"x"}}}}"#, "`dynamodb.NewImage.a.S`"),
        (r#"{"dynamodb":{"NewImage":{"a":{"SS":["x"]}}}}"#, "`dynamodb.NewImage.a.SS`"),
        (r#"{"dynamodb":{"NewImage":{"a":{"L":["x"]}}}}"#, "`dynamodb.NewImage.a.L`"),
        (r#"{"dynamodb":{"NewImage":{"a":{"M":[{"exists":true}]}}}}"#, "`dynamodb.NewImage.a.M`"),
        (
            r#"{"dynamodb":{"NewImage":{"a":{"S":[{"prefix":"x"}]}}}}"#,
            "`prefix` at `dynamodb.NewImage.a.S`",
        ),
        (
            r#"{"dynamodb":{"NewImage":{"a":{"N":[{"numeric":["=",1]}]}}}}"#,
            "`numeric` at `dynamodb.NewImage.a.N`",
        ),
        (
            r#"{"dynamodb":{"NewImage":{"a":{"S":[{"exists":"true"}]}}}}"#,
            "`exists` at `dynamodb.NewImage.a.S`",
        ),
        (
            r#"{"dynamodb":{"NewImage":{"a":{"N":[1]}}}}"#,
            "a value of another type at `dynamodb.NewImage.a.N`",
        ),
        (r#"{"dynamodb":{"NewImage":{"a":{"B":["x"]}}}}"#, "not base64 at `dynamodb.NewImage.a.B`"),
        (
            r#"{"dynamodb":{"NewImage":{"a":{"S":[null]}}}}"#,
            "a value of another type at `dynamodb.NewImage.a.S`",
        ),
    ] {
        let expected = UnsupportedFilter::Part(named.to_owned());
        assert_eq!(Filters::parse(&[pattern]), Err(expected), "{pattern}");
    }
    for pattern in ["", "[]", r#""x""#] {
        assert_eq!(Filters::parse(&[pattern]), Err(UnsupportedFilter::NotAnObject));
    }
}

#[test]
fn the_number_and_length_of_patterns_are_those_of_lambda() {
    let pattern = r#"{"dynamodb":{"NewImage":{"a":{"S":["x"]}}}}"#;
    assert!(Filters::parse(&[pattern; PATTERNS]).is_ok());
    assert_eq!(Filters::parse(&[pattern; PATTERNS + 1]), Err(UnsupportedFilter::TooLarge));
    let long = pattern.replace("\"x\"", &format!("\"{}\"", "x".repeat(PATTERN_BYTES)));
    assert_eq!(Filters::parse(&[long]), Err(UnsupportedFilter::TooLarge));
}
