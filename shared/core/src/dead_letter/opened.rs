//! A letter with its content, as what a pipeline takes: one record; the records of a batch, where
//! they came along; or the places of records that a stream has to give again.

use crate::base::error::{Code, Rejection};
use crate::base::time::Timestamp;
use crate::dead_letter::envelope::Content;
use crate::intake::kafka_event::{self, Decoded};
use crate::intake::record::{Incoming, Receipt, Record, Source, TopicRetention, Wrapping};

use super::on_failure;
use super::origin::{Offsets, Origin, Other};
use crate::dead_letter::letter::{Letter, Owner};

/// What is in a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// One record.
    Record(Incoming),
    /// Every record of a batch.
    Records(Vec<Incoming>),
    /// Where records stand.
    Offsets(Vec<Offsets>),
    /// Where it is said.
    Object {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
    },
    /// A queue message that nobody knew.
    Message {
        /// Its id.
        message_id: String,
        /// Its text.
        body: String,
    },
    /// Nothing that anybody here can read.
    Unreadable(Rejection),
}

/// Opens a letter; `frame` is its packed content, and `retention` that of the topics that its records
/// may come from.
pub fn open(owner: &Owner, letter: &Letter, frame: &[u8], retention: TopicRetention) -> Opened {
    let Ok(content) = Content::unpack(frame) else {
        return unreadable("the content of the letter does not unpack");
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
        None => unreadable("the object brings no records"),
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
            return unreadable("a request is never wrapped as a record of a topic");
        }
        (None, Source::Kafka { .. }) => Incoming::Record(record),
        (None, Source::Http { .. }) => return of_request(owner, letter, record),
    };
    Opened::Record(incoming)
}

/// An event that its sender was told of. Its letter is under the sender's name.
fn of_request(owner: &Owner, letter: &Letter, record: Record) -> Opened {
    let (Some(tenant), Some(contract)) = (owner.tenant(), &letter.contract) else {
        return unreadable("a request's letter without its sender or contract");
    };
    let (tenant, contract) = (tenant.clone(), contract.as_str().into());
    Opened::Record(Incoming::Sent { record, tenant, contract })
}

/// The time of a first attempt is kept, whatever a record says of itself now.
fn with_stamp(incoming: Incoming, ingested_at: Timestamp) -> Incoming {
    match incoming {
        Incoming::Record(record) => Incoming::Record(Record { ingested_at, ..record }),
        Incoming::Refused(record, rejection) => {
            Incoming::Refused(Record { ingested_at, ..record }, rejection)
        }
        other => other,
    }
}

/// The records of one of Lambda's events. What had no receipt time of its own entered when it was
/// given up.
fn of_event(event: &str, given_up: Receipt) -> Opened {
    match kafka_event::decode(event, given_up) {
        Ok(Decoded { records, .. }) => Opened::Records(records),
        Err(_) => unreadable("the payload is no event of Lambda's"),
    }
}

fn unreadable(message: &str) -> Opened {
    Opened::Unreadable(Rejection::new(Code::MalformedJson, message))
}
