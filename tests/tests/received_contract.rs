//! The contract of every `ReceivedAlerts`: each fact is checked in memory and on DynamoDB.

#![expect(clippy::expect_used, reason = "a failed expectation ends its test")]
#![recursion_limit = "256"]

use drover_aws::Aws;
use drover_core::base::cost::Units;
use drover_core::base::id::TenantId;
use drover_core::base::scope::TenantScope;
use drover_core::base::time::Timestamp;
use drover_core::memory::Memory;
use drover_core::outputs::received::{ReceivedAlert, ReceivedPage};
use drover_core::ports::ReceivedAlerts;
use drover_tests::dynamodb::ports;

fn memory() -> Memory {
    Memory::new(Timestamp::MIN)
}

async fn dynamodb() -> Aws {
    ports().await.expect("a DynamoDB")
}

/// Tests share the table, so each has its own tenants.
fn tenant(id: &str) -> TenantScope {
    TenantScope::by_operator(TenantId::parse(id).expect("a tenant"))
}

fn alert(fingerprint: &str, starts_at: i64, json: &str) -> ReceivedAlert {
    let at = |seconds: i64| Timestamp::from_millis(seconds * 1_000).expect("in range");
    ReceivedAlert {
        starts_at: at(starts_at),
        fingerprint: fingerprint.to_owned(),
        received_at: at(2_000_000_000),
        json: json.to_owned(),
    }
}

async fn put(ports: &impl ReceivedAlerts, tenant: &TenantScope, alerts: &[ReceivedAlert]) -> Units {
    ports.put_received(tenant, alerts).await.expect("available")
}

/// The alerts of all pages.
async fn all(ports: &impl ReceivedAlerts, tenant: &TenantScope, limit: usize) -> Vec<String> {
    let (mut found, mut page) = (Vec::new(), ReceivedPage { below: None, limit });
    loop {
        let read = ports.list_received(tenant, &page).await.expect("available").answer;
        assert!(read.alerts.len() <= limit);
        found.extend(read.alerts);
        if read.next.is_none() {
            return found;
        }
        page.below = read.next;
    }
}

#[tokio::test]
async fn alerts_are_listed_by_their_beginning_and_only_those_of_the_tenant() {
    async fn fact(ports: &impl ReceivedAlerts) {
        let (own, other) = (tenant("receives"), tenant("receives-too"));
        assert!(all(ports, &own, 10).await.is_empty());
        let alerts =
            [alert("b", 20, "\"b20\""), alert("a", 30, "\"a30\""), alert("a", 20, "\"a20\"")];
        put(ports, &own, &alerts).await;
        put(ports, &other, &[alert("a", 30, "\"theirs\"")]).await;
        for limit in [1, 2, 3, 10] {
            let found = all(ports, &own, limit).await;
            assert_eq!(found, ["\"a30\"", "\"b20\"", "\"a20\""], "{limit} at once");
        }
        assert_eq!(all(ports, &other, 10).await, ["\"theirs\""]);
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn an_alert_with_the_same_fingerprint_and_start_replaces_the_one_before() {
    async fn fact(ports: &impl ReceivedAlerts) {
        let own = tenant("repeats");
        put(ports, &own, &[alert("a", 20, "\"firing\"")]).await;
        put(ports, &own, &[alert("a", 20, "\"resolved\""), alert("a", 21, "\"again\"")]).await;
        assert_eq!(all(ports, &own, 10).await, ["\"again\"", "\"resolved\""]);
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn an_alert_costs_a_write_unit_for_each_kilobyte() {
    async fn fact(ports: &impl ReceivedAlerts) {
        let own = tenant("pays");
        let large = format!("\"{}\"", "x".repeat(2_500));
        let units = put(ports, &own, &[alert("a", 20, "\"small\""), alert("b", 20, &large)]).await;
        assert!((units.write - 4.0).abs() < f64::EPSILON, "{units:?}");
        let page = ReceivedPage { below: None, limit: 10 };
        let read = ports.list_received(&own, &page).await.expect("available");
        assert!((read.units.read - 1.0).abs() < f64::EPSILON, "{:?}", read.units);
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}
