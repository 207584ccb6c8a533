//! The tables have the properties that the ports and `infra/state.yaml` rely on.

#![expect(clippy::expect_used, reason = "test helpers fail like tests")]

use aws_sdk_dynamodb::types::{KeyType, ProjectionType, TimeToLiveStatus};
use drover_aws::tables::{ACTIVITY_INDEX, ALERTS_INDEX, OPEN_ALERTS_INDEX};
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

/// The name, keys and projection of an index.
type Index = (String, Vec<(String, KeyType)>, ProjectionType);

async fn indexes(table: &str) -> Vec<Index> {
    let aws = ports().await.expect("a DynamoDB");
    let described = aws.dynamodb().describe_table().table_name(&*named(table)).send().await;
    let table = described.expect("available").table.expect("a table");
    let indexes = table.global_secondary_indexes().iter().map(|index| {
        let keys = index.key_schema().iter();
        let keys = keys.map(|key| (key.attribute_name().to_owned(), key.key_type().clone()));
        let projection = index.projection().and_then(|one| one.projection_type()).cloned();
        let name = index.index_name().expect("a name").to_owned();
        (name, keys.collect(), projection.expect("a projection"))
    });
    indexes.collect()
}

fn index(name: &str, hash: &str, range: &str, projection: ProjectionType) -> Index {
    let keys = vec![(hash.to_owned(), KeyType::Hash), (range.to_owned(), KeyType::Range)];
    (name.to_owned(), keys, projection)
}

#[tokio::test]
async fn the_ledger_is_listed_by_shard_and_hour_with_keys_only() {
    let expected = [index(ACTIVITY_INDEX, "a", "h", ProjectionType::KeysOnly)];
    assert_eq!(indexes(LEDGER).await, expected);
}

#[tokio::test]
async fn alerts_are_listed_by_tenant_and_id_all_and_open_ones_with_whole_items() {
    let expected = [
        index(ALERTS_INDEX, "g", "i", ProjectionType::All),
        index(OPEN_ALERTS_INDEX, "o", "i", ProjectionType::All),
    ];
    let mut found = indexes(OUTPUTS).await;
    found.sort_by(|(one, ..), (other, ..)| one.cmp(other));
    assert_eq!(found, expected);
}
