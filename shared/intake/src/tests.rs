//! Facts about intake over memory, driven without any transport: what each error and each result is.

use drover_core::base::error::Code;
use drover_core::base::metrics::{Meter, Tally};
use drover_core::base::time::Timestamp;
use drover_core::intake::contract::Arrays;
use drover_core::intake::record::Source;
use drover_core::intake::request::InvalidKey;
use drover_core::intake::tenant::Scope;
use drover_core::memory::{Call, Fault, Faulty, Memory};
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::*;
use crate::body::{Encoding, Events, Format, events, unpacked};
use crate::error::{Bound, Forbidden, Unauthenticated};
use crate::submission::{Idempotency, tracing_headers};

struct Uncounted;

impl Meter for Uncounted {
    fn record(&self, _function: &'static str, _tally: &Tally, _now: Timestamp) {}
}

fn now() -> Timestamp {
    Timestamp::parse_rfc3339("2026-11-21T06:00:00Z").expect("a time")
}

/// The id of an event that is not ignored, or the code of its rejection.
fn code_or_id(accepted: &Accepted) -> Result<&str, Code> {
    let result = accepted.result.as_ref().expect("an event that is not ignored");
    result.as_deref().map_err(|rejection| rejection.code)
}

/// The tenant `demo` with the scopes of its key `demo-key`; `more` is added to its document.
fn memory(scopes: &[&str], more: &Value) -> Faulty<Memory> {
    let memory = Faulty::over(Memory::new(now()));
    let mut tenant = json!({"id": "demo"});
    let members = more.as_object().expect("an object").clone();
    tenant.as_object_mut().expect("an object").extend(members);
    memory.put_document("T#demo", &tenant.to_string());
    let digest = Sha256::digest(b"demo-key");
    let sha256: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let key = json!({"id": "k", "sha256": sha256, "scopes": scopes});
    memory.put_document(&format!("K#{sha256}"), &json!({"tenant": "demo", "key": key}).to_string());
    memory
}

fn intake(memory: &Faulty<Memory>) -> Intake<Faulty<Memory>, Faulty<Memory>> {
    Intake {
        function: "test",
        ports: memory.clone(),
        event_log: memory.clone(),
        registry: Registry::new(),
        gate: Gate { mode: AuthMode::Key(LocalKeys::Refused) },
        quotas: WriteQuotas::default(),
        log_breaker: LogBreaker::default(),
        meter: Arc::new(Uncounted),
    }
}

fn writer(more: &Value) -> (Faulty<Memory>, Intake<Faulty<Memory>, Faulty<Memory>>) {
    let memory = memory(&["write"], more);
    let intake = intake(&memory);
    (memory, intake)
}

fn key(text: &str) -> Proof {
    Proof { authorization: Some(format!("Bearer {text}").into_bytes()), claims: None }
}

/// Why a sender is denied, and its name.
fn denied(intake: &Intake<Faulty<Memory>, Faulty<Memory>>, proof: &Proof) -> (IntakeError, String) {
    let admitted = intake.caller(proof).now_or_never().expect("memory never waits");
    let Denied { by, error } = admitted.expect_err("it is denied");
    (error, by.to_string())
}

/// Sends events as `demo`, by this contract and under this idempotency key.
fn send(
    intake: &Intake<Faulty<Memory>, Faulty<Memory>>,
    contract: Option<&str>,
    idempotency: Option<&str>,
    texts: &[Value],
) -> Result<Batch, IntakeError> {
    let texts: Vec<String> = texts.iter().map(Value::to_string).collect();
    let content = texts.concat();
    let caller = intake.caller(&key("demo-key")).now_or_never().expect("memory never waits");
    let caller = caller.map_err(|denied| denied.error)?;
    let events = Events::batch(texts.iter().map(String::as_bytes).collect())?;
    let submission = Submission {
        contract: ContractName::chosen(contract, &caller.tenant)?,
        events: &events,
        idempotency: idempotency
            .map(|key| Idempotency { key: key.as_bytes(), content: content.as_bytes() }),
        headers: tracing_headers("c-1", Some(b"00-a-b-01")),
    };
    intake.submit(&caller, submission).now_or_never().expect("memory never waits")
}

fn reading(id: &str, value: &Value) -> Value {
    json!({
        "device_id": "d1", "event_id": id, "event_type": "temperature",
        "timestamp": "2026-11-21T05:59:00Z", "payload": {"value": value},
    })
}

#[test]
fn each_event_has_its_own_result_and_what_is_accepted_is_in_the_event_log() {
    let (memory, intake) = writer(&json!({}));
    let batch = send(&intake, None, None, &[reading("e1", &json!(1)), reading("e2", &json!("x"))]);
    let batch = batch.expect("a result");
    assert_eq!((batch.accepted(), batch.received_at), (1, now()));
    let [accepted, rejected] = &batch.results[..] else { panic!("{batch:?}") };
    assert_eq!(code_or_id(accepted), Ok("e1"));
    assert_eq!(code_or_id(rejected), Err(Code::SchemaViolation));
    let [record] = &memory.state().event_log[..] else { panic!("not one record") };
    let expected = [("correlation_id", "c-1"), ("traceparent", "00-a-b-01")];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    assert_eq!(record.headers, expected);
    let Source::Http { request_id, index: 0, element: None } = &record.source else {
        panic!("another source")
    };
    assert_eq!(&**request_id, batch.id);
}

#[test]
fn a_sender_without_a_key_with_a_wrong_one_or_without_the_scope_is_denied() {
    let reader = memory(&["read"], &json!({}));
    let (_, ours) = writer(&json!({}));
    assert_eq!(
        denied(&ours, &Proof::default()),
        (Unauthenticated::NoKey.into(), "anonymous".into())
    );
    let (error, by) = denied(&ours, &key("other-key"));
    assert_eq!(error, Unauthenticated::UnknownKey.into());
    assert!(by.starts_with("unknown key:"), "{by}");
    let missing = (Forbidden::MissingScope(Scope::Write).into(), "key:k".into());
    assert_eq!(denied(&intake(&reader), &key("demo-key")), missing);
    let (_, suspended) = writer(&json!({"status": "suspended"}));
    let (error, _) = denied(&suspended, &key("demo-key"));
    assert_eq!(error, Forbidden::TenantSuspended.into());
}

#[test]
fn a_sender_over_its_quota_learns_when_to_come_back() {
    let (memory, intake) = writer(&json!({"quota": {"events_per_second": 1, "burst": 2}}));
    let two = [reading("e1", &json!(1)), reading("e2", &json!(1))];
    assert_eq!(send(&intake, None, None, &two).map(|batch| batch.accepted()), Ok(2));
    let refused = send(&intake, None, None, &two).expect_err("over the quota");
    assert_eq!((refused.code(), refused.retry_after_seconds()), ("rate_limited", Some(2)));
    assert_eq!(memory.state().event_log.len(), 2);
}

#[test]
fn an_unknown_contract_rejects_each_event_and_a_name_that_none_can_have_the_request() {
    let (_, intake) = writer(&json!({}));
    let batch = send(&intake, Some("none"), None, &[reading("e1", &json!(1))]).expect("a result");
    let codes = batch.results.iter().map(code_or_id);
    assert_eq!(codes.collect::<Vec<_>>(), [Err(Code::UnknownContract)]);
    let refused = send(&intake, Some(&"x".repeat(65)), None, &[json!({})]);
    assert_eq!(refused, Err(IntakeError::ContractNameTooLong { bytes: 65, limit: 64 }));
}

#[test]
fn a_request_repeated_under_its_key_is_the_same_request_and_another_is_refused() {
    let (memory, intake) = writer(&json!({}));
    let event = json!({"device_id": "d1", "event_type": "battery", "payload": {"value": 80}});
    let repeat = || send(&intake, None, Some("k1"), std::slice::from_ref(&event));
    let first = repeat().expect("a result");
    memory.state().now = now().plus_seconds(3_600);
    assert_eq!(repeat(), Ok(first));
    let other = send(&intake, None, Some("k1"), &[reading("e1", &json!(1))]);
    assert_eq!(other, Err(IntakeError::IdempotencyMismatch));
    let malformed = send(&intake, None, Some("two words"), &[event]);
    assert_eq!(malformed, Err(InvalidKey::Byte(3).into()));
    assert_eq!(memory.state().event_log.len(), 2);
}

#[test]
fn without_event_log_and_buffer_nothing_is_accepted_and_the_sender_may_come_back() {
    let (memory, intake) = writer(&json!({}));
    let take_down = |calls: &'static [Call]| {
        memory.fail(move |call| if calls.contains(&call) { Fault::Refused } else { Fault::None });
    };
    take_down(&[Call::EventLog]);
    let one = [reading("e1", &json!(1))];
    assert_eq!(send(&intake, None, None, &one).map(|batch| batch.accepted()), Ok(1));
    assert_eq!(memory.state().buffer.len(), 1);
    take_down(&[Call::EventLog, Call::Buffer]);
    let refused = send(&intake, None, None, &one).expect_err("unavailable");
    assert!(matches!(refused, IntakeError::Unavailable(_)), "{refused}");
    assert_eq!(refused.retry_after_seconds(), Some(1));
}

#[test]
fn the_bounds_of_a_request_hold_for_events_that_come_one_by_one() {
    assert_eq!(Events::batch(Vec::new()), Err(IntakeError::EmptyBatch));
    let most = body::EVENTS;
    assert_eq!(Events::batch(vec![b"1"; most]).map(|events| events.texts().len()), Ok(most));
    assert_eq!(Events::batch(vec![b"1"; most + 1]), Err(Bound::Events(most).into()));
    let half = vec![b'1'; body::UNPACKED_BYTES / 2];
    assert!(Events::batch(vec![&half, &half]).is_ok());
    let bound = Bound::UnpackedBytes(body::UNPACKED_BYTES);
    assert_eq!(Events::batch(vec![&half, &half, b"1"]), Err(bound.into()));
}

#[test]
fn a_compressed_body_becomes_events_and_an_unknown_encoding_an_error() {
    let body = unpacked(Encoding::Identity, b"{}\n{}\n".to_vec()).expect("as it is");
    let read = events(&body, Format::Lines, Arrays::Split).expect("two events");
    assert_eq!((read.texts(), read.is_single()), (&[&b"{}"[..], b"{}"][..], false));
    assert_eq!(Encoding::named("br"), Err(IntakeError::UnsupportedEncoding("\"br\"".to_owned())));
    let broken = events(b"{", Format::Json, Arrays::Split).map_err(|error| error.code());
    assert_eq!(broken, Err("malformed_json"));
}
