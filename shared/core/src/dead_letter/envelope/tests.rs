//! Records of any size survive the round trip through messages.

use super::writing::MESSAGE_BYTES;
use super::*;
use crate::base::error::{Code, Rejection};
use crate::dead_letter::message::Message;
use crate::dead_letter::origin::Origin;
use crate::dead_letter::text::is_sendable;
use crate::intake::record::Wrapping;
use crate::replay::filing::{Received, read};
use proptest::prelude::*;

pub(in crate::dead_letter) fn record(value: Vec<u8>) -> Record {
    let now = Timestamp::from_micros(1_700_000_000_000_000).expect("in range");
    Record {
        source: Source::Kafka {
            topic: "a.b-c".into(),
            partition: 3,
            offset: 9,
            timestamp: Some(1_700_000_000_000),
            element: None,
        },
        key: None,
        value: Some(value),
        headers: vec![("traceparent".into(), b"00-a-b-01".to_vec()), ("x".into(), vec![200])],
        received_at: Some(now),
        ingested_at: now,
    }
}

fn about(record: &Record) -> Circumstances<'static> {
    let now = record.ingested_at;
    Circumstances { tenant: None, contract: None, subject: None, wrapping: None, now }
}

pub(in crate::dead_letter) fn messages_of(record: &Record) -> Vec<Message> {
    let rejection = Rejection::new(Code::TooLarge, "over 64 KB");
    letter(record, &rejection, about(record)).expect("written")
}

/// Noise that zstd cannot compress.
pub(in crate::dead_letter) fn noise(length: usize) -> Vec<u8> {
    let mut state = 7u64;
    let step = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33).to_le_bytes()[0]
    };
    std::iter::repeat_with(step).take(length).collect()
}

fn check(value: Vec<u8>, expected_messages: usize) {
    let record = record(value);
    let messages = messages_of(&record);
    assert_eq!(messages.len(), expected_messages);
    assert!(messages.iter().all(|message| message.body.len() < 1_048_576));
    let mut pieces: Vec<Chunk> = Vec::new();
    for message in messages.iter().rev() {
        let envelope = Envelope::read(&message.body).expect("an envelope");
        assert_eq!(envelope.trace.as_deref(), Some("00-a-b-01"));
        assert_eq!(envelope.stamps().ingested_at, record.ingested_at);
        let whole = envelope.whole().expect("readable");
        assert_eq!(whole.is_some(), expected_messages == 1);
        pieces.extend(envelope.chunks().expect("pieces"));
    }
    pieces.sort_by_key(|chunk| chunk.number);
    assert!(pieces.iter().all(|chunk| chunk.bytes.len() <= CHUNK_BYTES));
    let frame: Vec<u8> = pieces.into_iter().flat_map(|chunk| chunk.bytes).collect();
    let content = Content::unpack(&frame).expect("a content");
    let Record { source, received_at, ingested_at, .. } = record.clone();
    assert_eq!(content.record(source, Stamps { received_at, ingested_at }), record);
}

#[test]
fn a_small_record_is_one_plain_message() {
    check(b"{not json".to_vec(), 1);
    check(Vec::new(), 1);
}

#[test]
fn a_large_compressible_record_is_one_packed_message() {
    check(vec![b'a'; 3_000_000], 1);
}

#[test]
fn a_large_incompressible_record_is_split_and_never_truncated() {
    check(noise(4_000_000), 12);
}

#[test]
fn a_value_that_could_not_be_unwrapped_is_marked() {
    let record = record(br#"{"value":"%%%"}"#.to_vec());
    let rejection = Rejection::new(Code::UnsupportedEncoding, "damaged");
    let about = Circumstances { wrapping: Some(Wrapping::LambdaKafka), ..about(&record) };
    let messages = letter(&record, &rejection, about).expect("written");
    let envelope = Envelope::read(&messages[0].body).expect("an envelope");
    assert_eq!(envelope.wrapping, Some(Wrapping::LambdaKafka));
    assert_eq!(envelope.value, record.value.as_deref().map(base64), "the value is complete");
}

#[test]
fn an_invalid_envelope_is_an_error() {
    let record = record(b"{}".to_vec());
    let good = messages_of(&record).remove(0).body;
    assert!(Envelope::read(&good).is_ok());
    for (from, to) in [
        (r#""v":1"#, r#""v":2"#),
        (r#""part":[1,1]"#, r#""part":[0,1]"#),
        (r#""part":[1,1]"#, r#""part":[2,1]"#),
        (r#""part":[1,1]"#, r#""part":[1,2]"#),
        (r#""id":"0"#, r#""id":"G"#),
        (r#""id":"0"#, r#""id":"00"#),
        (r#""v":1"#, r#""v":1,"more":true"#),
    ] {
        let bad = good.replace(from, to);
        assert_ne!(bad, good, "{from}");
        assert!(Envelope::read(&bad).is_err(), "{to}");
    }
    let damaged = good.replace(r#""value":""#, r#""value":"%"#);
    assert!(Envelope::read(&damaged).expect("an envelope").chunks().is_err());
}

/// The body claims to be packed but has no value.
#[test]
fn an_envelope_without_a_value_is_an_error() {
    let packed = record(vec![b'a'; 3_000_000]);
    let mut envelope = Envelope::read(&messages_of(&packed)[0].body).expect("an envelope");
    for nothing in [None, Some(String::new())] {
        envelope.value = nothing;
        assert!(envelope.chunks().is_err());
        assert!(envelope.record().is_err());
    }
}

/// Checks that SQS accepts the bodies and that the stored letter equals the sent record.
fn check_filed(record: &Record, rejection: &Rejection, about: Circumstances<'_>) {
    let messages = letter(record, rejection, about).expect("written");
    let mut pieces: Vec<Chunk> = Vec::new();
    for message in &messages {
        assert!(message.body.chars().all(is_sendable));
        assert!(message.body.len() <= MESSAGE_BYTES, "{} bytes", message.body.len());
        let received = Received { message_id: "m", body: &message.body, sent_at: None };
        let filing = read(&received, about.now).expect("filed");
        let letter = &filing.letter;
        assert_eq!(letter.id, record.letter_id());
        assert_eq!(filing.owner.tenant(), about.tenant);
        assert_eq!(letter.code, rejection.code.as_str());
        assert_eq!(letter.message, bounded(&rejection.message));
        assert_eq!(letter.path.as_deref(), rejection.path.as_deref().map(bounded));
        assert_eq!(letter.contract.as_deref(), about.contract.map(bounded));
        assert_eq!(letter.subject, about.subject.map(ToString::to_string));
        assert_eq!(letter.source, Origin::Record(bounded_source(&record.source)));
        assert_eq!(letter.trace, trace_of(record));
        pieces.extend(filing.chunks);
    }
    pieces.sort_by_key(|chunk| chunk.number);
    let frame: Vec<u8> = pieces.into_iter().flat_map(|chunk| chunk.bytes).collect();
    let Record { key, value, headers, .. } = record.clone();
    assert_eq!(Content::unpack(&frame).expect("a content"), Content { key, value, headers });
}

/// Texts of arbitrary characters, often of those that SQS rejects.
fn a_text() -> impl Strategy<Value = String> {
    let refused = prop_oneof![
        Just('\u{FFFF}'),
        Just('\u{FFFE}'),
        Just('\0'),
        Just('\u{1F}'),
        Just('"'),
        Just('\\'),
    ];
    let character = prop_oneof![1 => refused, 1 => any::<char>()];
    let texts = proptest::collection::vec(character, 0..40);
    texts.prop_map(|characters| characters.into_iter().collect())
}

fn a_source() -> impl Strategy<Value = Source> {
    let kafka = (a_text(), any::<i32>(), any::<i64>(), any::<Option<i64>>());
    prop_oneof![
        kafka.prop_map(|(topic, partition, offset, timestamp)| Source::Kafka {
            topic: topic.into(),
            partition,
            offset,
            timestamp,
            element: None,
        }),
        (a_text(), any::<u32>()).prop_map(|(request_id, index)| Source::Http {
            request_id: request_id.into(),
            index,
            element: None,
        }),
    ]
}

proptest! {
    #[test]
    fn every_record_is_sent_and_stored_unchanged(
        source in a_source(),
        key in any::<Option<Vec<u8>>>(),
        value in any::<Option<Vec<u8>>>(),
        headers in proptest::collection::vec((a_text(), any::<Vec<u8>>()), 0..8),
        message in a_text(),
        path in proptest::option::of(a_text()),
        contract in proptest::option::of(a_text()),
        owned in any::<bool>(),
    ) {
        let record = Record { source, key, value, headers, ..record(Vec::new()) };
        let rejection = Rejection { code: Code::MissingField, path, message };
        let tenant = TenantId::parse("demo").expect("a tenant");
        let about = Circumstances {
            tenant: owned.then_some(&tenant),
            contract: contract.as_deref(),
            ..about(&record)
        };
        check_filed(&record, &rejection, about);
    }
}

#[test]
fn a_header_name_may_contain_every_character() {
    let all: Vec<char> = ('\0'..=char::MAX).collect();
    for characters in all.chunks(4_096) {
        let name = |character: &char| (character.to_string(), Vec::new());
        let headers = characters.iter().map(name).collect();
        let record = Record { headers, ..record(Vec::new()) };
        let rejection = Rejection::new(Code::MalformedJson, "not JSON");
        check_filed(&record, &rejection, about(&record));
    }
}

#[test]
fn huge_texts_are_bounded_and_many_headers_are_packed() {
    let long = "\u{FFFF}\u{1}é".repeat(500_000);
    let headers = (0..20_000).map(|at| (format!("{at}\u{FFFE}"), vec![255; 50])).collect();
    let topic = long.as_str().into();
    let source = Source::Kafka { topic, partition: 1, offset: 2, timestamp: None, element: None };
    let record = Record { source, headers, ..record(Vec::new()) };
    let rejection = Rejection::at(Code::SchemaViolation, long.clone(), long.clone());
    let about = Circumstances { contract: Some(&long), ..about(&record) };
    check_filed(&record, &rejection, about);
}
