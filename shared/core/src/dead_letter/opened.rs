//! Opens a letter as input of the pipeline: one record, the records of a batch if the message
//! contains them, or offsets to reread from the event log.

use crate::base::error::{Code, Rejection};
use crate::base::id::SubjectId;
use crate::base::time::Timestamp;
use crate::dead_letter::envelope::Content;
use crate::intake::kafka_event::{self, Decoded};
use crate::intake::record::{Incoming, Receipt, Record, Source, TopicRetention, Wrapping};

use super::failed_notification::FailedNotification;
use super::on_failure;
use super::origin::{Offsets, Origin, Other};
use crate::dead_letter::letter::{Letter, Owner};
use crate::outputs::notifications::Look;

/// The content of a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// One record.
    Record(Incoming),
    /// Every record of a batch.
    Records(Vec<Incoming>),
    /// Offsets of records in the event log.
    Offsets(Vec<Offsets>),
    /// An S3 object that contains the records.
    Object {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
    },
    /// A subject whose history and state are to be sent to its feeds again.
    Subject(SubjectId),
    /// A target that is to be told about an alert again.
    Notification(Look),
    /// A queue message of unknown format.
    Message {
        /// The message's id.
        message_id: String,
        /// The message's body.
        body: String,
    },
    /// The letter cannot be read.
    Unreadable(Rejection),
}

/// Opens a letter. `frame` is its packed content, and `retention` the retention of the records'
/// topics.
pub fn open(owner: &Owner, letter: &Letter, frame: &[u8], retention: TopicRetention) -> Opened {
    let Ok(content) = Content::unpack(frame) else {
        return unreadable("the letter's content cannot be decompressed");
    };
    match &letter.source {
        Origin::Record(source) => {
            let record = content.record(source.clone(), letter.stamps());
            of_record(owner, letter, record, retention)
        }
        Origin::Other(Other::Batch { partitions, .. }) => {
            let body = content.value.unwrap_or_default();
            let given_up = on_failure::read(&String::from_utf8_lossy(&body));
            match given_up.and_then(|given_up| given_up.payload) {
                Some(payload) => of_event(&payload, letter.given_up(retention)),
                None => Opened::Offsets(partitions.clone()),
            }
        }
        Origin::Other(Other::Object { bucket, key }) => {
            Opened::Object { bucket: bucket.clone(), key: key.clone() }
        }
        Origin::Other(Other::Commit { .. }) => {
            match letter.subject.as_deref().map(SubjectId::parse) {
                Some(Ok(subject)) => Opened::Subject(subject),
                _ => unreadable("the letter names no subject"),
            }
        }
        Origin::Other(Other::Notification { .. }) => {
            let body = content.value.unwrap_or_default();
            match FailedNotification::read(&String::from_utf8_lossy(&body)) {
                Some((_, failed)) => Opened::Notification(failed.look),
                None => unreadable("the letter names no notification"),
            }
        }
        Origin::Other(Other::Message { message_id }) => {
            let body = content.value.unwrap_or_default();
            let body = String::from_utf8_lossy(&body).into_owned();
            Opened::Message { message_id: message_id.clone(), body }
        }
    }
}

/// Opens the object that a letter names.
pub fn open_object(letter: &Letter, bytes: &[u8], retention: TopicRetention) -> Opened {
    let given_up = on_failure::read(&String::from_utf8_lossy(bytes));
    match given_up.and_then(|given_up| given_up.payload) {
        Some(payload) => of_event(&payload, letter.given_up(retention)),
        None => unreadable("the object contains no records"),
    }
}

fn of_record(owner: &Owner, letter: &Letter, record: Record, retention: TopicRetention) -> Opened {
    let incoming = match (letter.wrapping, &record.source) {
        (Some(Wrapping::Event), _) => Incoming::Event(record),
        (Some(Wrapping::LambdaKafka), Source::Kafka { topic, .. }) => {
            let raw = record.value.as_deref().unwrap_or_default();
            let first_try = Receipt { now: record.ingested_at, retention };
            let unwrapped = kafka_event::unwrap(topic, raw, first_try);
            with_stamp(unwrapped, record.ingested_at)
        }
        (Some(Wrapping::LambdaKafka), Source::Http { .. }) => {
            return unreadable("an HTTP event cannot have the wrapper of a topic's record");
        }
        (None, Source::Kafka { .. }) => Incoming::Record(record),
        (None, Source::Http { .. }) => return of_request(owner, letter, record),
    };
    Opened::Record(incoming)
}

/// An event sent over HTTP. Its letter belongs to the sender.
fn of_request(owner: &Owner, letter: &Letter, record: Record) -> Opened {
    let (Some(tenant), Some(contract)) = (owner.tenant(), &letter.contract) else {
        return unreadable("the letter of an HTTP event has no sender or no contract");
    };
    let (tenant, contract) = (tenant.clone(), contract.as_str().into());
    Opened::Record(Incoming::Sent { record, tenant, contract })
}

/// Keeps the receipt time of the first attempt.
fn with_stamp(incoming: Incoming, ingested_at: Timestamp) -> Incoming {
    match incoming {
        Incoming::Record(record) => Incoming::Record(Record { ingested_at, ..record }),
        Incoming::Refused(record, rejection) => {
            Incoming::Refused(Record { ingested_at, ..record }, rejection)
        }
        other => other,
    }
}

/// The records of a Lambda event. A record without a receipt time uses the time when it was
/// discarded.
fn of_event(event: &str, given_up: Receipt) -> Opened {
    match kafka_event::decode(event, given_up) {
        Ok(Decoded { records, .. }) => Opened::Records(records),
        Err(_) => unreadable("the payload is not a Kafka event from Lambda"),
    }
}

fn unreadable(message: &str) -> Opened {
    Opened::Unreadable(Rejection::new(Code::MalformedJson, message))
}
