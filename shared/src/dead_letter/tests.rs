//! What is put into messages comes out again, whatever its size.

use super::*;
use crate::error::Code;

fn record(value: Vec<u8>) -> Record {
    let now = Timestamp::from_micros(1_700_000_000_000_000).expect("in range");
    Record {
        source: Source::Kafka {
            topic: "a.b-c".into(),
            partition: 3,
            offset: 9,
            timestamp: Some(1_700_000_000_000),
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

/// Noise that zstd cannot shrink.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 7u64;
    let step = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33).to_le_bytes()[0]
    };
    std::iter::repeat_with(step).take(length).collect()
}

fn check(value: Vec<u8>, expected_messages: usize) {
    let record = record(value);
    let rejection = Rejection::new(Code::TooLarge, "over 64 KB");
    let about = about(&record);
    let messages = letter(&record, &rejection, about);
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
fn a_large_record_that_shrinks_is_one_packed_message() {
    check(vec![b'a'; 3_000_000], 1);
}

#[test]
fn a_large_record_that_does_not_shrink_comes_in_parts_and_is_never_cut() {
    check(noise(4_000_000), 12);
}

#[test]
fn what_could_not_be_unwrapped_says_so() {
    let record = record(br#"{"value":"%%%"}"#.to_vec());
    let rejection = Rejection::new(Code::UnsupportedEncoding, "damaged");
    let about = Circumstances { wrapping: Some(Wrapping::LambdaKafka), ..about(&record) };
    let messages = letter(&record, &rejection, about);
    let envelope = Envelope::read(&messages[0].body).expect("an envelope");
    assert_eq!(envelope.wrapping, Some(Wrapping::LambdaKafka));
    assert_eq!(envelope.value, record.value.as_deref().map(base64), "and it is all there");
}

#[test]
fn what_is_no_envelope_of_this_version_is_none() {
    let record = record(b"{}".to_vec());
    let rejection = Rejection::new(Code::TooLarge, "over 64 KB");
    let good = letter(&record, &rejection, about(&record)).remove(0).body;
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
