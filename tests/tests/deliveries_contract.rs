//! The contract of every `DeliveryRecords`: each fact is checked in memory and on DynamoDB.

#![expect(clippy::expect_used, reason = "a failed expectation ends its test")]
#![recursion_limit = "256"]

use drover_aws::Aws;
use drover_core::base::id::TenantId;
use drover_core::base::scope::TenantScope;
use drover_core::base::time::Timestamp;
use drover_core::memory::Memory;
use drover_core::outputs::alerts::AlertId;
use drover_core::outputs::notifications::deliveries::{Deliveries, DeliveriesOf, DeliveryChange};
use drover_core::ports::DeliveryRecords;
use drover_tests::dynamodb::ports;

const EXPIRES_AT: i64 = 2_000_000_000;

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

fn alert(digit: char) -> AlertId {
    AlertId::parse(&digit.to_string().repeat(32)).expect("an id")
}

async fn read(ports: &impl DeliveryRecords, tenant: &TenantScope, of: &DeliveriesOf) -> Deliveries {
    ports.deliveries(tenant, of).await.expect("available").answer
}

async fn replace(
    ports: &impl DeliveryRecords,
    (tenant, of): (&TenantScope, &DeliveriesOf),
    target: &str,
    (expected, new): (Option<&str>, &str),
) -> bool {
    let change = DeliveryChange { target, expected, new, expires_at: EXPIRES_AT };
    let replaced = ports.replace_delivery(tenant, of, change).await.expect("available");
    assert!((replaced.units.write - 1.0).abs() < f64::EPSILON, "{:?}", replaced.units);
    replaced.answer
}

#[tokio::test]
async fn the_record_of_a_target_is_replaced_only_if_the_expected_one_is_stored() {
    async fn fact(ports: &impl DeliveryRecords) {
        let own = tenant("told");
        let of = DeliveriesOf::Alert(alert('a'));
        let place = (&own, &of);
        assert_eq!(read(ports, &own, &of).await, Deliveries::default());
        assert!(!replace(ports, place, "ops", (Some("0"), "1")).await, "there is none");
        assert!(replace(ports, place, "ops", (None, "1")).await);
        assert!(!replace(ports, place, "ops", (None, "2")).await, "there is one");
        assert!(replace(ports, place, "ops", (None, "1")).await, "the same is stored already");
        assert!(!replace(ports, place, "ops", (Some("0"), "2")).await, "another one");
        assert!(replace(ports, place, "ops", (Some("1"), "2")).await);
        // The record of another target has no part in that.
        assert!(replace(ports, place, "a-m_2", (None, "x")).await);
        let found = read(ports, &own, &of).await;
        let found: Vec<(&str, &str)> =
            found.by_target.iter().map(|(target, record)| (&**target, &**record)).collect();
        assert_eq!(found, [("a-m_2", "x"), ("ops", "2")]);
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn alerts_switches_and_tenants_have_records_of_their_own() {
    async fn fact(ports: &impl DeliveryRecords) {
        let (own, other) = (tenant("apart"), tenant("apart-too"));
        let (first, second) = (DeliveriesOf::Alert(alert('b')), DeliveriesOf::Alert(alert('c')));
        let places =
            [(&own, &first), (&own, &second), (&own, &DeliveriesOf::Switches), (&other, &first)];
        for (number, place) in places.into_iter().enumerate() {
            assert!(replace(ports, place, "ops", (None, &number.to_string())).await);
        }
        for (number, (tenant, of)) in places.into_iter().enumerate() {
            let found = read(ports, tenant, of).await.by_target;
            assert_eq!(found.get("ops"), Some(&number.to_string()), "{of:?}");
        }
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn a_simulated_alert_is_kept_beside_what_targets_were_told() {
    async fn fact(ports: &impl DeliveryRecords) {
        let (own, id) = (tenant("simulates"), alert('d'));
        let of = DeliveriesOf::Alert(id.clone());
        let units = ports.put_simulated(&own, &id, "{}", EXPIRES_AT).await.expect("available");
        assert!((units.write - 1.0).abs() < f64::EPSILON, "{units:?}");
        assert!(replace(ports, (&own, &of), "ops", (None, "1")).await);
        let found = read(ports, &own, &of).await;
        assert_eq!(found.simulated.as_deref(), Some("{}"));
        assert_eq!(found.by_target.len(), 1);
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}
