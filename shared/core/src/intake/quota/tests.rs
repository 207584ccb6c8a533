//! Facts about buckets: what passes, what waits, and for how long.

use serde_json::json;

use super::*;

const TEN_A_SECOND: Quota = Quota {
    events_per_second: 10,
    burst: 20,
    reads_per_second: Some(2),
    read_bytes_per_second: Some(8_192),
};

fn second(at: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000).expect("in range").plus_seconds(at)
}

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).expect("a tenant")
}

fn exceeded(seconds: u64) -> Result<(), Exceeded> {
    Err(Exceeded { retry_after_seconds: seconds })
}

#[test]
fn a_burst_passes_then_the_rate_and_nothing_is_taken_by_a_refusal() {
    let (quotas, demo) = (WriteQuotas::default(), tenant("demo"));
    let take = |events, at| quotas.take(&demo, Some(TEN_A_SECOND), events, second(at));
    assert_eq!(take(20, 0), Ok(()));
    assert_eq!(take(1, 0), exceeded(1));
    assert_eq!(take(20, 0), exceeded(2));
    assert_eq!(take(10, 1), Ok(()));
    assert_eq!(take(1, 1), exceeded(1));
    assert_eq!(take(20, 60), Ok(()), "no more than the burst is saved up");
    assert_eq!(take(1, 60), exceeded(1));
}

#[test]
fn a_request_over_the_burst_passes_a_full_bucket_and_leaves_a_debt() {
    let (quotas, demo) = (WriteQuotas::default(), tenant("demo"));
    let take = |events, at| quotas.take(&demo, Some(TEN_A_SECOND), events, second(at));
    assert_eq!(take(50, 0), Ok(()));
    assert_eq!(take(1, 1), exceeded(3));
    assert_eq!(take(1, 4), Ok(()));
}

#[test]
fn one_tenant_never_waits_for_another_and_without_a_quota_nobody_waits() {
    let quotas = WriteQuotas::default();
    let (demo, acme) = (tenant("demo"), tenant("acme"));
    assert_eq!(quotas.take(&demo, Some(TEN_A_SECOND), 20, second(0)), Ok(()));
    assert!(quotas.take(&demo, Some(TEN_A_SECOND), 1, second(0)).is_err());
    assert_eq!(quotas.take(&acme, Some(TEN_A_SECOND), 20, second(0)), Ok(()));
    for _ in 0..100 {
        assert_eq!(quotas.take(&demo, None, 100, second(0)), Ok(()));
    }
}

#[test]
fn a_clock_that_goes_back_fills_nothing() {
    let (quotas, demo) = (WriteQuotas::default(), tenant("demo"));
    let take = |at| quotas.take(&demo, Some(TEN_A_SECOND), 20, second(at));
    assert_eq!(take(100), Ok(()));
    assert_eq!(take(0), exceeded(2));
    assert_eq!(take(100), exceeded(2), "the second from 0 to 100 is not counted twice");
}

/// A tenant that may read twice a second, and two units a second.
fn reader(name: &str) -> Tenant {
    let quota = json!({"events_per_second": 1, "burst": 1, "reads_per_second": 2,
        "read_bytes_per_second": 8_192});
    Tenant::check(&json!({"id": name, "quota": quota})).expect("a tenant")
}

fn read(units: f64) -> Units {
    Units { read: units, write: 0.0 }
}

#[test]
fn requests_to_read_pass_up_to_the_burst_and_then_at_the_rate() {
    let (quotas, demo) = (ReadQuotas::default(), reader("demo"));
    for _ in 0..10 {
        assert_eq!(quotas.take(&demo, second(0)), Ok(()));
    }
    assert_eq!(quotas.take(&demo, second(0)), exceeded(1));
    assert_eq!(quotas.take(&demo, second(1)), Ok(()));
    assert_eq!(quotas.take(&demo, second(1)), Ok(()));
    assert_eq!(quotas.take(&demo, second(1)), exceeded(1));
    assert_eq!(quotas.take(&reader("acme"), second(1)), Ok(()), "another tenant reads on");
}

#[test]
fn what_was_read_is_a_debt_that_only_its_own_tenant_waits_for() {
    let (quotas, demo) = (ReadQuotas::default(), reader("demo"));
    assert_eq!(quotas.take(&demo, second(0)), Ok(()));
    quotas.charge(&demo, read(10.0), second(0));
    assert_eq!(quotas.take(&demo, second(0)), Ok(()), "the burst is used up, and no debt made");
    quotas.charge(&demo, read(7.0), second(0));
    assert_eq!(quotas.take(&demo, second(0)), exceeded(4));
    assert_eq!(quotas.take(&reader("acme"), second(0)), Ok(()));
    assert_eq!(quotas.take(&demo, second(3)), exceeded(1));
    assert_eq!(quotas.take(&demo, second(4)), Ok(()), "the debt is paid");
}

#[test]
fn a_debt_is_paid_within_the_longest_wait_however_much_was_read() {
    let (quotas, demo) = (ReadQuotas::default(), reader("demo"));
    quotas.charge(&demo, read(1e12), second(0));
    assert_eq!(quotas.take(&demo, second(0)), exceeded(3_600));
    assert_eq!(quotas.take(&demo, second(3_599)), exceeded(1));
    assert_eq!(quotas.take(&demo, second(3_600)), Ok(()));
}

#[test]
fn a_quota_of_null_reads_without_a_bound() {
    let quotas = ReadQuotas::default();
    let free = Tenant::check(&json!({"id": "free", "quota": null})).expect("a tenant");
    let events = json!({"events_per_second": 1, "burst": 1, "reads_per_second": null,
        "read_bytes_per_second": null});
    let half = Tenant::check(&json!({"id": "half", "quota": events})).expect("a tenant");
    for tenant in [free, half] {
        for _ in 0..10_000 {
            assert_eq!(quotas.take(&tenant, second(0)), Ok(()));
            quotas.charge(&tenant, read(1e6), second(0));
        }
    }
}
