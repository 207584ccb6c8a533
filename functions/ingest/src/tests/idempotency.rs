//! Tests of requests with an idempotency key.

use super::*;

fn without_time_and_id() -> Value {
    json!({"device_id": "d1", "event_type": "battery", "payload": {"value": 80}})
}

#[test]
fn a_request_repeated_with_its_idempotency_key_has_the_same_result() {
    let environment = Environment::new();
    let send = |key: &str, body: &Value| {
        environment.post("/api/v1/events", &[("idempotency-key", key)], body.to_string())
    };
    let batch = json!([without_time_and_id(), without_time_and_id()]);
    let first = send("k1", &batch);
    environment.at(3600);
    let again = send("k1", &batch);
    assert_eq!(first.body, again.body);
    let records = environment.taken();
    assert_eq!(records.len(), 4);
    assert_eq!(
        records[..2],
        records[2..]
            .iter()
            .map(|record| Record { headers: records[0].headers.clone(), ..record.clone() })
            .collect::<Vec<_>>()
    );
    assert_ne!(first.body["results"][0]["event_id"], first.body["results"][1]["event_id"]);
    check_problem(&send("k1", &json!([good("e1")])), 422, "idempotency_mismatch");
    assert!(environment.taken().is_empty());
    let other = send("k2", &batch);
    assert_ne!(other.body["batch_id"], first.body["batch_id"]);
    environment.at(24 * 3600 + 1);
    let next_day = send("k1", &batch);
    assert_ne!(next_day.body["received_at"], first.body["received_at"]);
}

#[test]
fn two_tenants_may_use_the_same_idempotency_key() {
    let environment = Environment::new();
    let send = |key: &str| {
        let headers = [("authorization", key), ("idempotency-key", "k1")];
        environment.post("/api/v1/events", &headers, without_time_and_id().to_string())
    };
    let (demo, acme) = (send("Bearer demo-key"), send("Bearer acme-key"));
    assert_eq!((demo.status, acme.status), (StatusCode::ACCEPTED, StatusCode::ACCEPTED));
    assert_ne!(demo.body["batch_id"], acme.body["batch_id"]);
}

#[test]
fn a_claim_that_cannot_be_put_fails_the_request_before_anything_is_sent() {
    let environment = Environment::new();
    environment.take_down(&[Call::Claim]);
    let headers = [("idempotency-key", "k1")];
    let answer = environment.post("/api/v1/events", &headers, good("e1").to_string());
    check_problem(&answer, 503, "unavailable");
    assert!(environment.taken().is_empty());
}
