//! Turns every message of the dead-letter queue into a letter. An envelope becomes the letter of
//! its record, a part of an envelope adds its chunk, and Lambda's message about a discarded batch
//! becomes a batch reference. A message about an unsent commit or notification becomes a letter of its
//! subject. Any other message is kept whole for the operator, with the code `malformed_json`.
//!
//! The same message always gives the same letter, so storing it again is idempotent.

use zstd::zstd_safe::get_frame_content_size;

use crate::base::cost::Metered;
use crate::base::error::{Code, Reason, Unavailable};
use crate::base::id::{SubjectId, TenantId};
use crate::base::public_reason::PublicReason;
use crate::base::scope::TenantScope;
use crate::base::time::Timestamp;
use crate::dead_letter::envelope::{
    Chunk, Content, Envelope, NoContent, NotAnEnvelope, UNAVAILABLE, UNPACKED_BYTES, chunks,
};
use crate::dead_letter::failed_notification::FailedNotification;
use crate::dead_letter::letter::{Letter, Owner, State, UNDELIVERED};
use crate::dead_letter::on_failure::{self, GivenUp};
use crate::dead_letter::origin::{Origin, Other};
use crate::dead_letter::text::{bounded, bounded_source};
use crate::dead_letter::unsent::{UNDELIVERABLE, Unsent};
use crate::event::digest;
use crate::intake::record::letter_id;
use crate::ports::Letters;

/// A queue message.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// The message's id, which a redelivery repeats.
    pub message_id: &'a str,
    /// The message's body.
    pub body: &'a str,
    /// When the message was sent, if the queue reports it.
    pub sent_at: Option<Timestamp>,
}

/// A letter to store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filing {
    /// The owner.
    pub owner: Owner,
    /// The letter.
    pub letter: Letter,
    /// The content, or the part of it in this message.
    pub chunks: Vec<Chunk>,
}

/// Turns a message into a letter.
///
/// # Errors
/// The content could not be packed. The message may be delivered again.
pub fn read(received: &Received<'_>, now: Timestamp) -> Result<Filing, Unavailable> {
    if let Ok(envelope) = Envelope::read(received.body) {
        match of_envelope(&envelope, now) {
            Ok(filing) => return Ok(filing),
            Err(NoContent::Unavailable(unavailable)) => return Err(unavailable),
            Err(NoContent::NotAnEnvelope(_)) => {}
        }
    }
    if let Some(unsent) = Unsent::read(received.body) {
        return of_unsent(received, unsent, now);
    }
    if let Some(failed) = FailedNotification::read(received.body) {
        return of_failed_notification(received, failed, now);
    }
    let given_up = on_failure::read(received.body);
    let given_up = given_up.or_else(|| on_failure::read_notification(received.body));
    match given_up {
        Some(given_up) => of_given_up(received, given_up, now),
        None => of_message(received, now),
    }
}

/// Stores the content, then the letter unless it exists. Returns whether the letter is new.
///
/// # Errors
/// The write failed. It may be repeated.
pub async fn file(letters: &impl Letters, filing: &Filing) -> Result<Metered<bool>, Unavailable> {
    let Filing { owner, letter, chunks } = filing;
    let expires_at = letter.chunks_expire_at();
    let mut units = letters.put_chunks(owner, &letter.id, chunks, expires_at).await?;
    let put = letters.put_letter(owner, letter).await?;
    units += put.units;
    Ok(Metered { answer: put.answer, units })
}

/// The letter of an envelope, or of one of its parts.
///
/// # Errors
/// The envelope is invalid, or its content could not be packed.
pub fn of_envelope(envelope: &Envelope, now: Timestamp) -> Result<Filing, NoContent> {
    let pieces = envelope.chunks()?;
    let (_, parts) = envelope.part;
    let count = if parts > 1 { parts } else { u32::try_from(pieces.len()).unwrap_or(u32::MAX) };
    let owner = match &envelope.tenant {
        None => Owner::Operator,
        Some(tenant) => {
            let tenant = TenantId::parse(tenant);
            let tenant = tenant.map_err(|_| NotAnEnvelope::of("invalid tenant"))?;
            Owner::Tenant(TenantScope::by_queue(tenant))
        }
    };
    let text = |text: &Option<String>| text.as_deref().map(|text| bounded(text).to_owned());
    let letter = Letter {
        id: envelope.id.clone(),
        code: bounded(&envelope.code).to_owned(),
        path: text(&envelope.path),
        message: message(envelope),
        contract: text(&envelope.contract),
        subject: text(&envelope.subject),
        source: Origin::Record(bounded_source(&envelope.source)),
        wrapping: envelope.wrapping,
        received_at: envelope.received_at,
        ingested_at: envelope.ingested_at,
        rejected_at: envelope.rejected_at,
        filed_at: now,
        trace: text(&envelope.trace),
        chunks: count,
        bytes: size(&pieces, count),
        state: State::Open,
        replay_count: envelope.replay_count,
        tried: None,
    };
    Ok(Filing { owner, letter, chunks: pieces })
}

fn of_given_up(
    received: &Received<'_>,
    given_up: GivenUp,
    now: Timestamp,
) -> Result<Filing, Unavailable> {
    let GivenUp { origin, at, attempts, payload } = given_up;
    let condition = match &origin {
        Other::Batch { condition, .. } => condition.as_str(),
        Other::Object { .. }
        | Other::Commit { .. }
        | Other::Notification { .. }
        | Other::Message { .. } => "see the object",
    };
    let attempts = attempts.map_or_else(|| "unknown".to_owned(), |count| count.to_string());
    let with = if payload.is_some() { "yes" } else { "no" };
    let message = format!(
        "the event source discarded these records: condition=`{condition}` attempts=`{attempts}` \
         payload=`{with}`"
    );
    // A batch may be reported twice. Its origin and time identify it.
    let place = serde_json::to_string(&origin);
    let place = place.map_err(|fault| Unavailable::new(Reason::Bug, fault.to_string()))?;
    let at = at.or(received.sent_at);
    let id = letter_id(at, &digest(&[b"given up", place.as_bytes()]));
    let stamp = at.unwrap_or(now);
    let (owner, subject) = (Owner::Operator, None);
    let code = UNDELIVERED;
    of_body(received, now, Foreign { owner, id, stamp, code, subject, message, origin })
}

/// A commit may be given up several times, and has one letter.
fn of_unsent(
    received: &Received<'_>,
    (tenant, subject, unsent): (TenantId, SubjectId, Unsent),
    now: Timestamp,
) -> Result<Filing, Unavailable> {
    let Unsent { undelivered_commit: commit, message, given_up_at: stamp, .. } = unsent;
    let subject = subject.to_string();
    let parts: [&[u8]; 4] =
        [b"unsent", tenant.as_str().as_bytes(), subject.as_bytes(), commit.as_bytes()];
    let id = letter_id(Some(stamp), &digest(&parts));
    let owner = Owner::Tenant(TenantScope::by_queue(tenant));
    let (code, subject, origin) = (UNDELIVERABLE, Some(subject), Other::Commit { commit });
    of_body(received, now, Foreign { owner, id, stamp, code, subject, message, origin })
}

fn of_failed_notification(
    received: &Received<'_>,
    (tenant, failed): (TenantId, FailedNotification),
    now: Timestamp,
) -> Result<Filing, Unavailable> {
    let FailedNotification { look, news: _, number, message, given_up_at: stamp } = failed;
    let (alert, target) = (look.alert.as_str().to_owned(), look.target);
    let number = number.to_string();
    let parts = ["notification", tenant.as_str(), &alert, &number, &target];
    let id = letter_id(Some(stamp), &digest(&parts.map(str::as_bytes)));
    let owner = Owner::Tenant(TenantScope::by_queue(tenant));
    let origin = Other::Notification { alert, target };
    let (code, subject) = (UNDELIVERABLE, look.subject);
    of_body(received, now, Foreign { owner, id, stamp, code, subject, message, origin })
}

fn of_message(received: &Received<'_>, now: Timestamp) -> Result<Filing, Unavailable> {
    let message_id = bounded(received.message_id).to_owned();
    let digits = digest(&[b"message", received.message_id.as_bytes(), received.body.as_bytes()]);
    let id = letter_id(received.sent_at, &digits);
    let message = "the format of this queue message is unknown".to_owned();
    let stamp = received.sent_at.unwrap_or(now);
    let origin = Other::Message { message_id };
    let code = Code::MalformedJson.as_str();
    let (owner, subject) = (Owner::Operator, None);
    of_body(received, now, Foreign { owner, id, stamp, code, subject, message, origin })
}

/// The facts of a letter that is not about a record.
struct Foreign {
    owner: Owner,
    id: String,
    stamp: Timestamp,
    code: &'static str,
    subject: Option<String>,
    message: String,
    origin: Other,
}

/// A letter whose content is the whole message.
fn of_body(
    received: &Received<'_>,
    now: Timestamp,
    foreign: Foreign,
) -> Result<Filing, Unavailable> {
    let value = Some(received.body.as_bytes().to_vec());
    let pieces = chunks(&Content { key: None, value, headers: Vec::new() }.pack()?);
    let count = u32::try_from(pieces.len()).unwrap_or(u32::MAX);
    let letter = Letter {
        id: foreign.id,
        code: foreign.code.to_owned(),
        path: None,
        message: foreign.message,
        contract: None,
        subject: foreign.subject,
        source: Origin::Other(foreign.origin),
        wrapping: None,
        received_at: received.sent_at,
        ingested_at: foreign.stamp,
        rejected_at: foreign.stamp,
        filed_at: now,
        trace: None,
        chunks: count,
        bytes: size(&pieces, count),
        state: State::Open,
        replay_count: 0,
        tried: None,
    };
    Ok(Filing { owner: foreign.owner, letter, chunks: pieces })
}

/// The decompressed size of a content, from its first chunk. Parts use an upper bound instead,
/// because every part must give the same letter and only the first knows the size.
fn size(pieces: &[Chunk], count: u32) -> usize {
    let whole = u32::try_from(pieces.len()) == Ok(count);
    let first = pieces.first().filter(|_| whole);
    let said = first.and_then(|first| get_frame_content_size(&first.bytes).ok().flatten());
    said.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(UNPACKED_BYTES)
}

/// The letter's message. For a buffered record of another release the message may contain a
/// service's text, so it is replaced.
fn message(envelope: &Envelope) -> String {
    if envelope.code == UNAVAILABLE {
        return PublicReason::of_message(&envelope.message).message();
    }
    bounded(&envelope.message).to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::error::Rejection;
    use crate::dead_letter::envelope::{Circumstances, letter};
    use crate::dead_letter::opened::{Opened, open};
    use crate::intake::record::{Incoming, Record, Source, TopicRetention};

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis).expect("in range")
    }

    fn filed(body: &str) -> Filing {
        let received = Received { message_id: "m-1", body, sent_at: Some(at(5)) };
        read(&received, at(9)).expect("filed")
    }

    fn record(value: Vec<u8>) -> Record {
        Record {
            source: Source::Http { request_id: "r".into(), index: 3, element: None },
            key: Some(b"k".to_vec()),
            value: Some(value),
            headers: vec![("h".to_owned(), vec![0xff])],
            received_at: Some(at(1)),
            ingested_at: at(2),
        }
    }

    fn bodies(value: Vec<u8>, tenant: Option<&TenantId>) -> Vec<String> {
        let about = Circumstances {
            tenant,
            contract: Some("c"),
            subject: None,
            wrapping: None,
            now: at(3),
        };
        let rejection = Rejection::new(Code::TooLarge, "over 64 KB");
        let messages = letter(&record(value), &rejection, about).expect("written");
        messages.into_iter().map(|message| message.body).collect()
    }

    proptest! {
        #[test]
        fn every_message_becomes_a_letter_and_always_the_same_one(
            body in prop_oneof![".{0,300}", r#"[{}\[\]":,0-9a-z]{0,60}"#],
        ) {
            let filing = filed(&body);
            prop_assert_eq!(&filing, &filed(&body));
            prop_assert_eq!((&filing.owner, filing.letter.code.as_str()), (&Owner::Operator, "malformed_json"));
            let frame: Vec<u8> = filing.chunks.iter().flat_map(|chunk| chunk.bytes.clone()).collect();
            let content = Content::unpack(&frame).expect("a content");
            prop_assert_eq!(content.value, Some(body.into_bytes()), "the content is complete");
        }
    }

    #[test]
    fn an_envelope_is_stored_for_its_tenant_and_opened_unchanged() {
        let tenant = TenantId::parse("demo").expect("a tenant");
        let filing = filed(&bodies(b"{}".to_vec(), Some(&tenant))[0]);
        assert_eq!(filing.owner.partition_key(), "T#demo#D");
        let Filing { owner, letter, chunks } = filing;
        assert_eq!(
            (letter.filed_at, letter.rejected_at, letter.ingested_at),
            (at(9), at(3), at(2))
        );
        let opened = open(&owner, &letter, &chunks[0].bytes, TopicRetention::WEEK);
        let (record, contract) = (record(b"{}".to_vec()), "c".into());
        assert_eq!(opened, Opened::Record(Incoming::Sent { record, tenant, contract }));
    }

    #[test]
    fn an_envelope_with_an_invalid_tenant_belongs_to_the_operator() {
        let body = bodies(b"{}".to_vec(), None).remove(0);
        let forged = body.replace(r#""tenant":null"#, r#""tenant":"a#D""#);
        assert_ne!(forged, body);
        let filing = filed(&forged);
        assert_eq!(filing.owner, Owner::Operator);
        assert_eq!(filing.letter.code, "malformed_json");
    }

    #[test]
    fn each_part_adds_its_chunk_to_one_letter() {
        let mut state = 1_u64;
        let mut noise = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33).to_le_bytes()[0]
        };
        let value: Vec<u8> = std::iter::repeat_with(&mut noise).take(1_500_000).collect();
        let parts = bodies(value.clone(), None);
        assert!(parts.len() > 1);
        let filings: Vec<Filing> = parts.iter().map(|part| filed(part)).collect();
        let first = &filings[0].letter;
        assert!(filings.iter().all(|filing| filing.letter == *first));
        assert_eq!(first.chunks as usize, parts.len());
        let mut chunks: Vec<Chunk> = filings.into_iter().flat_map(|filing| filing.chunks).collect();
        chunks.sort_by_key(|chunk| chunk.number);
        let frame: Vec<u8> = chunks.into_iter().flat_map(|chunk| chunk.bytes).collect();
        assert_eq!(Content::unpack(&frame).expect("whole").value, Some(value));
    }
}
