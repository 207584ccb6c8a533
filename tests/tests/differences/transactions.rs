//! The behavior of transactions.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    Put, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use drover_tests::service;
use futures_util::future::join_all;

use crate::{ABSENT, Database, PRESENT, binary, code, text, units};

/// An item of a transaction.
struct Item<'a> {
    key: &'a [u8],
    size: usize,
    condition: Option<&'a str>,
}

fn item(key: &[u8], size: usize) -> Item<'_> {
    Item { key, size, condition: None }
}

impl Database {
    /// The units of a transaction, or the reason of its failure.
    async fn transact(
        &self,
        pk: &str,
        items: &[Item<'_>],
        token: Option<&str>,
    ) -> Result<f64, SdkError<TransactWriteItemsError>> {
        let puts = items.iter().map(|item| {
            let value = text(&"x".repeat(item.size));
            let put = Put::builder().table_name(&self.table).item("pk", text(pk));
            let put = put.item("sk", binary(item.key)).item("v", value);
            let old = ReturnValuesOnConditionCheckFailure::AllOld;
            let put = put.set_condition_expression(item.condition.map(str::to_owned));
            let put = put.return_values_on_condition_check_failure(old).build();
            TransactWriteItem::builder().put(put.expect("a put")).build()
        });
        let transaction = self.client.transact_write_items();
        let transaction = transaction.set_transact_items(Some(puts.collect()));
        let transaction = transaction.set_client_request_token(token.map(str::to_owned));
        let answer =
            transaction.return_consumed_capacity(ReturnConsumedCapacity::Total).send().await?;
        Ok(answer.consumed_capacity().iter().map(|one| units(Some(one))).sum())
    }

    /// The reason for each item, and the number of returned attributes.
    async fn reasons(&self, pk: &str, items: &[Item<'_>]) -> String {
        let cancelled = self.transact(pk, items, None).await.expect_err("cancelled");
        let TransactWriteItemsError::TransactionCanceledException(cancelled) =
            cancelled.into_service_error()
        else {
            return "another error".to_owned();
        };
        let reasons = cancelled.cancellation_reasons().iter().map(|reason| {
            let attributes = reason.item().map_or(0, |item| item.len());
            format!("{} with {attributes}", reason.code().unwrap_or("nothing"))
        });
        reasons.collect::<Vec<_>>().join(", ")
    }
}

pub(crate) async fn the_units_of_a_transaction(database: Database) -> String {
    let one = database.transact("units", &[item(b"1", 1)], None).await.expect("available");
    let four = [item(b"2", 900), item(b"3", 900), item(b"4", 900), item(b"5", 900)];
    let four = database.transact("units", &four, None).await.expect("available");
    let large = [item(b"6", 3_900), item(b"7", 3_900), item(b"8", 3_900)];
    let large = database.transact("units", &large, None).await.expect("available");
    format!("one {one}, four {four}, large {large}")
}

pub(crate) async fn transactions_on_one_item_at_once(database: Database) -> String {
    let keys: Vec<[u8; 1]> = (0..20_u8).map(|key| [key]).collect();
    let all = keys.iter().map(async |key| {
        let items = [item(b"contended", 1), item(key, 1)];
        code(database.transact("conflict", &items, None).await)
    });
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for ended in join_all(all).await {
        *counts.entry(ended).or_default() += 1;
    }
    let counts = counts.iter().map(|(code, count)| format!("{code} {count}"));
    counts.collect::<Vec<_>>().join(", ")
}

pub(crate) async fn reasons_of_a_cancelled_transaction(database: Database) -> String {
    database.put("reasons", b"there", text("x")).send().await.expect("available");
    let fails = || Item { condition: ABSENT, ..item(b"there", 1) };
    let first = database.reasons("reasons", &[fails(), item(b"other", 1)]).await;
    let second = database.reasons("reasons", &[item(b"other", 1), fails()]).await;
    let absent = Item { condition: PRESENT, ..item(b"absent", 1) };
    let third = database.reasons("reasons", &[absent, item(b"other", 1)]).await;
    format!("{first} | {second} | {third}")
}

pub(crate) async fn a_repeated_transaction(database: Database) -> String {
    let token = Some(service::mark());
    let one = code(database.transact("token", &[item(b"1", 1)], token).await);
    let again = code(database.transact("token", &[item(b"1", 1)], token).await);
    let other = code(database.transact("token", &[item(b"1", 2)], token).await);
    format!("{one} {again} {other}")
}

pub(crate) async fn transactions_that_no_condition_saves(database: Database) -> String {
    let twice = [item(b"1", 1), item(b"1", 1)];
    let keys: Vec<[u8; 1]> = (0..101_u8).map(|key| [key]).collect();
    let many: Vec<Item<'_>> = keys.iter().map(|key| item(key, 1)).collect();
    let heavy: Vec<Item<'_>> = keys.iter().take(11).map(|key| item(key, 390 * 1024)).collect();
    let fails = Item { condition: PRESENT, ..item(b"absent", 1) };
    let large = [fails, item(b"1", 401 * 1024)];
    let mut codes = Vec::new();
    for items in [&twice[..], &many, &heavy, &large] {
        codes.push(code(database.transact("refused", items, None).await));
    }
    codes.join(" ")
}
