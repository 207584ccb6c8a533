//! The tables have the properties that the ports and `infra/state.yaml` rely on.

use aws_sdk_dynamodb::types::{KeyType, ProjectionType, TimeToLiveStatus};
use drover_aws::tables::ACTIVITY_INDEX;
use drover_tests::dynamodb::{LEDGER, LETTERS, OUTPUTS, REGISTRY, REQUESTS, ports, table as named};

#[tokio::test]
async fn expiring_items_have_a_time_to_live_in_x_and_the_registry_has_none() {
    let aws = ports().await.expect("a DynamoDB");
    let expiring = [LEDGER, LETTERS, REQUESTS, OUTPUTS].map(|table| (table, Some("x")));
    for (table, expected) in expiring.into_iter().chain([(REGISTRY, None)]) {
        let described =
            aws.dynamodb().describe_time_to_live().table_name(&*named(table)).send().await;
        let described = described.expect("available").time_to_live_description;
        let enabled = described
            .filter(|one| one.time_to_live_status() == Some(&TimeToLiveStatus::Enabled))
            .and_then(|one| one.attribute_name);
        assert_eq!(enabled.as_deref(), expected, "{table}");
    }
}

#[tokio::test]
async fn the_ledger_is_listed_by_shard_and_hour_with_keys_only() {
    let aws = ports().await.expect("a DynamoDB");
    let described = aws.dynamodb().describe_table().table_name(&*named(LEDGER)).send().await;
    let table = described.expect("available").table.expect("a table");
    let [index] = table.global_secondary_indexes() else { panic!("one index") };
    assert_eq!(index.index_name(), Some(ACTIVITY_INDEX));
    let projection = index.projection().and_then(|projection| projection.projection_type());
    assert_eq!(projection, Some(&ProjectionType::KeysOnly));
    let keys = index.key_schema().iter().map(|key| (key.attribute_name(), key.key_type().clone()));
    let keys: Vec<_> = keys.collect();
    assert_eq!(keys, [("a", KeyType::Hash), ("h", KeyType::Range)]);
}
