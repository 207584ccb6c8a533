//! Claims of requests, in memory and on DynamoDB: the first claim wins, a repetition finds it, and
//! no claim is valid for longer than a day.

#![expect(clippy::expect_used, reason = "clippy does not recognize test helpers as tests")]
#![recursion_limit = "256"]

use drover_core::base::id::TenantId;
use drover_core::base::scope::TenantScope;
use drover_core::base::time::Timestamp;
use drover_core::intake::request::{Claim, Claimed, IdempotencyKey, LIFETIME_SECONDS};
use drover_core::memory::Memory;
use drover_core::ports::Requests;
use drover_tests::dynamodb;

fn second(at: i64) -> Timestamp {
    Timestamp::from_millis(4_000_000_000_000).expect("in range").plus_seconds(at)
}

fn claim(tenant: &str, body: &str, at: i64) -> Claim {
    let scope = TenantScope::by_operator(TenantId::parse(tenant).expect("a tenant"));
    let key = IdempotencyKey::parse(b"once").expect("a key");
    Claim::new(&scope, &key, "telemetry", body.as_bytes(), second(at))
}

async fn check(requests: &impl Requests) {
    let first = claim("demo", "{}", 0);
    assert_eq!(requests.claim(&first).await, Ok(Claimed::First));
    let again = requests.claim(&claim("demo", "{}", 60)).await;
    assert_eq!(
        again,
        Ok(Claimed::Before(first.made.clone())),
        "the time of the first claim counts"
    );
    let other_body = requests.claim(&claim("demo", "[]", 60)).await;
    assert_eq!(other_body, Ok(Claimed::Before(first.made.clone())));
    assert_eq!(requests.claim(&claim("acme", "{}", 60)).await, Ok(Claimed::First));

    let nearly = claim("demo", "{}", LIFETIME_SECONDS - 1);
    assert_eq!(requests.claim(&nearly).await, Ok(Claimed::Before(first.made)));
    let next_day = claim("demo", "{}", LIFETIME_SECONDS);
    assert_eq!(requests.claim(&next_day).await, Ok(Claimed::First), "deleted or not");
    let after = requests.claim(&claim("demo", "{}", LIFETIME_SECONDS + 1)).await;
    assert_eq!(after, Ok(Claimed::Before(next_day.made)));
}

#[tokio::test]
async fn a_claim_is_valid_for_a_day_in_memory() {
    check(&Memory::new(second(0))).await;
}

#[tokio::test]
async fn a_claim_is_valid_for_a_day_in_dynamodb() {
    check(&dynamodb::ports().await.expect("it starts")).await;
}
