//! The event against AWS's published samples.

use aws_sdk_dynamodbstreams::primitives::DateTime;
use aws_sdk_dynamodbstreams::types::{OperationType, StreamViewType};
use serde_json::json;

use super::*;

const ARN: &str =
    "arn:aws:dynamodb:us-east-2:123456789012:table/my-table/stream/2024-06-10T19:26:16.525";

fn attributes(list: &[(&str, AttributeValue)]) -> HashMap<String, AttributeValue> {
    list.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn number(text: &str) -> AttributeValue {
    AttributeValue::N(text.to_owned())
}

fn written(records: &[Record]) -> serde_json::Value {
    let records: Vec<String> =
        records.iter().map(|record| record_json(record, ARN).unwrap()).collect();
    serde_json::from_slice(&event(records.iter().map(String::as_str))).unwrap()
}

fn record(id: &str, name: OperationType, change: StreamRecord) -> Record {
    Record::builder()
        .event_id(id)
        .event_name(name)
        .event_version("1.1")
        .event_source("aws:dynamodb")
        .aws_region("us-east-2")
        .dynamodb(change)
        .build()
}

/// The three records of the sample in Lambda's developer guide, `with-ddb.html`.
#[test]
fn an_event_equals_the_sample_of_the_developer_guide() {
    let change = |sequence: &str, bytes| {
        StreamRecord::builder()
            .set_keys(Some(attributes(&[("Id", number("101"))])))
            .sequence_number(sequence)
            .size_bytes(bytes)
            .stream_view_type(StreamViewType::NewAndOldImages)
    };
    let item = |message| attributes(&[("Message", text(message)), ("Id", number("101"))]);
    let (new, changed) = (item("New item!"), item("This item has changed"));
    let records = [
        record(
            "1",
            OperationType::Insert,
            change("111", 26).set_new_image(Some(new.clone())).build(),
        ),
        record(
            "2",
            OperationType::Modify,
            change("222", 59).set_new_image(Some(changed.clone())).set_old_image(Some(new)).build(),
        ),
        record("3", OperationType::Remove, change("333", 38).set_old_image(Some(changed)).build()),
    ];
    let sample = |id: &str, name: &str, sequence: &str, bytes: u32, images: serde_json::Value| {
        let mut dynamodb = json!({
            "Keys": { "Id": { "N": "101" } },
            "SequenceNumber": sequence,
            "SizeBytes": bytes,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        });
        dynamodb.as_object_mut().unwrap().extend(images.as_object().unwrap().clone());
        json!({
            "eventID": id, "eventName": name, "eventVersion": "1.1",
            "eventSource": "aws:dynamodb", "awsRegion": "us-east-2",
            "dynamodb": dynamodb, "eventSourceARN": ARN,
        })
    };
    let item = |message| json!({ "Message": { "S": message }, "Id": { "N": "101" } });
    let (new, changed) = (item("New item!"), item("This item has changed"));
    let expected = json!({ "Records": [
        sample("1", "INSERT", "111", 26, json!({ "NewImage": new })),
        sample("2", "MODIFY", "222", 59, json!({ "NewImage": changed, "OldImage": new })),
        sample("3", "REMOVE", "333", 38, json!({ "OldImage": changed })),
    ]});
    assert_eq!(written(&records), expected);
}

/// The attribute types of the sample in aws-lambda-go, `events/testdata/dynamodb-event.json`, where
/// the fields of the other types are null.
#[test]
fn every_attribute_type_has_the_format_of_the_sample() {
    let bytes = |bytes: &[u8]| AttributeValue::B(bytes.to_vec().into());
    let image = attributes(&[
        ("asdf1", bytes(&[0, 1, 42, 65])),
        ("asdf2", AttributeValue::Bs(vec![vec![0, 1, 42, 65].into(), vec![65, 42, 1, 0].into()])),
        ("Boolean", AttributeValue::Bool(true)),
        ("List", AttributeValue::L(vec![text("Cookies"), text("Coffee"), number("3.14159")])),
        ("Map", AttributeValue::M(attributes(&[("Name", text("Joe")), ("Age", number("35"))]))),
        ("FloatNumber", number("123.45")),
        ("NumberSet", AttributeValue::Ns(vec!["1234".to_owned(), "567.8".to_owned()])),
        ("Null", AttributeValue::Null(true)),
        ("String", text("Hello")),
        ("StringSet", AttributeValue::Ss(vec!["Giraffe".to_owned(), "Zebra".to_owned()])),
        ("EmptyBinary", bytes(&[])),
    ]);
    let change = StreamRecord::builder()
        .approximate_creation_date_time(DateTime::from_secs_and_nanos(1_480_642_020, 999_000_000))
        .set_keys(Some(attributes(&[("key", bytes(b"\xff\xfe"))])))
        .set_new_image(Some(image))
        .sequence_number("1405400000000002063282832")
        .size_bytes(54)
        .stream_view_type(StreamViewType::NewAndOldImages);
    let written = written(&[record("f07f", OperationType::Insert, change.build())]);
    let expected = json!({
        "ApproximateCreationDateTime": 1_480_642_020,
        "Keys": { "key": { "B": "//4=" } },
        "NewImage": {
            "asdf1": { "B": "AAEqQQ==" },
            "asdf2": { "BS": ["AAEqQQ==", "QSoBAA=="] },
            "Boolean": { "BOOL": true },
            "List": { "L": [{ "S": "Cookies" }, { "S": "Coffee" }, { "N": "3.14159" }] },
            "Map": { "M": { "Name": { "S": "Joe" }, "Age": { "N": "35" } } },
            "FloatNumber": { "N": "123.45" },
            "NumberSet": { "NS": ["1234", "567.8"] },
            "Null": { "NULL": true },
            "String": { "S": "Hello" },
            "StringSet": { "SS": ["Giraffe", "Zebra"] },
            "EmptyBinary": { "B": "" },
        },
        "SequenceNumber": "1405400000000002063282832",
        "SizeBytes": 54,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    });
    assert_eq!(written["Records"][0]["dynamodb"], expected);
    assert_eq!(written["Records"][0].get("userIdentity"), None);
}

#[test]
fn only_an_expired_item_has_an_identity() {
    let expected = json!({ "type": "Service", "principalId": "dynamodb.amazonaws.com" });
    let stated = Identity::builder().r#type("Service").principal_id("dynamodb.amazonaws.com");
    for identity in [stated.build(), Identity::builder().build()] {
        let record = Record::builder().event_id("1").user_identity(identity).build();
        assert_eq!(written(&[record])["Records"][0]["userIdentity"], expected);
    }
}

#[test]
fn the_size_of_an_event_is_known_from_its_records() {
    let change = StreamRecord::builder().sequence_number("1").build();
    let json = record_json(&record("1", OperationType::Insert, change), ARN).unwrap();
    for count in 1..4 {
        let event = event(std::iter::repeat_n(json.as_str(), count));
        assert_eq!(event.len() + 1, FRAME_BYTES + count * (json.len() + 1));
    }
}
