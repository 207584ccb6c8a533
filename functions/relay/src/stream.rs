//! Lambda's event for the change stream of a ledger table. Only records of heads matter: the filter of the
//! mapping passes no others, and this module ignores them anyway.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>

use std::sync::Arc;

use aws_lambda_events::dynamodb::{Event, EventRecord};
use drover_aws::tables::table_of_stream;
use drover_core::base::scope::TenantScope;
use drover_core::ledger::StoredHead;
use drover_core::ports::SubjectLocation;
use serde_dynamo::{AttributeValue, Item};

/// The sort key of a head.
const HEAD: &[u8] = b"H";

/// A head before and after a commit.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HeadChange {
    /// The subject and its table.
    pub(crate) location: SubjectLocation,
    /// Names the record in a response.
    pub(crate) sequence_number: String,
    /// `None`: there was no head, or its item cannot be read.
    pub(crate) old: Option<StoredHead>,
    /// `None`: the item cannot be read.
    pub(crate) new: Option<StoredHead>,
}

/// The payload is not an event of a change stream that this function can answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotChanges {
    /// The event has another form.
    #[error(
        "invalid event: line={line} column={column}; this function accepts change streams of DynamoDB \
         (`Records` from `aws:dynamodb`) and commands (`action`)"
    )]
    Form {
        /// The line of the fault.
        line: usize,
        /// Its column.
        column: usize,
    },
    /// A record without a sequence number, which no response can name.
    #[error("a record of the change stream has no sequence number")]
    NoNumber,
    /// A head of no subject.
    #[error("a head of the change stream has no partition key of a subject")]
    NoSubject,
}

/// The changes of heads in an event, in order. `shared_table` is the table of tenants that have none of
/// their own.
pub(crate) fn changes(event: &str, shared_table: &str) -> Result<Vec<HeadChange>, NotChanges> {
    let event: Event = serde_json::from_str(event)
        .map_err(|fault| NotChanges::Form { line: fault.line(), column: fault.column() })?;
    let heads = event.records.into_iter().filter(is_written_head);
    heads.map(|record| head_change(record, shared_table)).collect()
}

fn is_written_head(record: &EventRecord) -> bool {
    let is_head = record.change.keys.get("sk").is_some_and(|sort_key| match sort_key {
        AttributeValue::B(bytes) => bytes == HEAD,
        _ => false,
    });
    is_head && !record.change.new_image.is_empty()
}

fn head_change(record: EventRecord, shared_table: &str) -> Result<HeadChange, NotChanges> {
    let change = record.change;
    let sequence_number = change.sequence_number.ok_or(NotChanges::NoNumber)?;
    let key = match change.keys.get("pk") {
        Some(AttributeValue::S(partition_key)) => TenantScope::stored_subject(partition_key),
        _ => None,
    };
    let key = key.ok_or(NotChanges::NoSubject)?;
    let table = record.event_source_arn.as_deref().and_then(table_of_stream);
    let table = table.filter(|table| *table != shared_table).map(Arc::from);
    let location = SubjectLocation { key, table };
    let (old, new) = (head(change.old_image), head(change.new_image));
    Ok(HeadChange { location, sequence_number, old, new })
}

fn head(mut image: Item) -> Option<StoredHead> {
    match (image.remove("v"), image.remove("d")) {
        (Some(AttributeValue::N(version)), Some(AttributeValue::B(bytes))) => {
            Some(StoredHead { version: version.parse().ok()?, bytes })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn record(sort_key: &str, change: &Value) -> Value {
        let mut dynamodb = json!({
            "ApproximateCreationDateTime": 1_800_000_000, "SizeBytes": 100, "SequenceNumber": "7",
            "Keys": { "pk": { "S": "T#demo#S#device#d-1" }, "sk": { "B": sort_key } },
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        });
        dynamodb.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        json!({
            "eventID": "1", "eventName": "MODIFY", "eventVersion": "1.1", "awsRegion": "us-east-1",
            "eventSource": "aws:dynamodb", "dynamodb": dynamodb,
            "eventSourceARN": "arn:aws:dynamodb:us-east-1:0:table/ledger/stream/2026-11-21T00:00:00.000",
        })
    }

    fn read(records: &[Value]) -> Result<Vec<HeadChange>, NotChanges> {
        changes(&json!({ "Records": records }).to_string(), "ledger")
    }

    #[test]
    fn heads_are_read_and_everything_else_is_passed_over() {
        let head = json!({ "v": { "N": "3" }, "d": { "B": "aGVhZA==" } });
        let page = record("UDE=", &json!({ "NewImage": head }));
        let expired = record("SA==", &json!({ "OldImage": head }));
        let first = record("SA==", &json!({ "NewImage": head }));
        let [first] = &read(&[page, expired, first]).unwrap()[..] else { panic!("one head") };
        let stored = StoredHead { version: 3, bytes: b"head".to_vec() };
        assert_eq!((&first.old, &first.new), (&None, &Some(stored)));
        assert_eq!(first.location.key.partition_key(), "T#demo#S#device#d-1");
        assert_eq!((first.location.table.as_deref(), &*first.sequence_number), (None, "7"));
    }

    #[test]
    fn a_table_of_its_own_is_named_by_the_stream() {
        let mut own = record("SA==", &json!({ "NewImage": { "v": { "N": "x" } } }));
        own["eventSourceARN"] = json!("arn:aws:dynamodb:us-east-1:0:table/own/stream/1");
        let [own] = &read(&[own]).unwrap()[..] else { panic!("one head") };
        assert_eq!((own.location.table.as_deref(), &own.new), (Some("own"), &None));
    }

    #[test]
    fn an_event_that_no_response_can_answer_fails_without_its_content() {
        let image = json!({ "NewImage": { "v": { "N": "1" } } });
        let mut unnamed = record("SA==", &image);
        unnamed["dynamodb"].as_object_mut().unwrap().remove("SequenceNumber");
        assert_eq!(read(&[unnamed]), Err(NotChanges::NoNumber));
        let mut foreign = record("SA==", &image);
        foreign["dynamodb"]["Keys"]["pk"] = json!({ "S": "secret" });
        assert_eq!(read(&[foreign]), Err(NotChanges::NoSubject));
        assert_eq!(read(&[json!("secret")]), Err(NotChanges::Form { line: 1, column: 20 }));
    }
}
