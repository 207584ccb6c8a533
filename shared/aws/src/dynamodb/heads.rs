//! Reads heads, alone or in batches.

use std::collections::{HashMap, HashSet};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::batch_get_item::BatchGetItemOutput;
use aws_sdk_dynamodb::types::{KeysAndAttributes, ReturnConsumedCapacity};
use drover_core::base::cost::{Metered, Units};
use drover_core::base::dependency::Dependency;
use drover_core::base::error::{Reason, Unavailable};
use drover_core::ledger::StoredHead;

use super::capacity::{counted, total};
use super::items::{self, Item};
use crate::calls::unavailable;

/// Maximum number of heads in one request. DynamoDB accepts more keys, but with large heads the answer would
/// exceed the timeout of an attempt.
pub(super) const MOST: usize = 25;

/// The table and partition key of a subject.
#[derive(Clone, Debug)]
pub(super) struct ItemKey {
    pub(super) table: String,
    pub(super) pk: String,
}

/// The result of reading a head. `None`: the head does not exist.
pub(crate) type HeadRead = Result<Metered<Option<StoredHead>>, Unavailable>;

/// Reads one head, strongly consistent.
pub(super) async fn read(client: &Client, item_key: &ItemKey) -> HeadRead {
    let answer = client
        .get_item()
        .table_name(&item_key.table)
        .set_key(Some(items::ledger::head_key(&item_key.pk)))
        .consistent_read(true)
        .return_consumed_capacity(ReturnConsumedCapacity::Total)
        .send()
        .await
        .map_err(|error| unavailable("reading a head", &error).of(Dependency::LedgerTable))?;
    let units = Units { read: counted(answer.consumed_capacity.as_ref()), write: 0.0 };
    Ok(Metered { answer: answer.item.map(items::ledger::read_head).transpose()?, units })
}

/// Reads several heads of one table by their partition keys, strongly consistent. `None`: the caller must
/// read this head alone, because DynamoDB left it unprocessed, because its key was a duplicate, or because
/// the request failed for another reason than throttling.
pub(super) async fn read_many(
    client: Client,
    table: String,
    pks: Vec<String>,
) -> Vec<Option<HeadRead>> {
    let mut read = if pks.len() > 1 { get(&client, &table, &pks).await } else { HashMap::new() };
    pks.iter().map(|pk| read.remove(pk)).collect()
}

async fn get(client: &Client, table: &str, pks: &[String]) -> HashMap<String, HeadRead> {
    let pks: HashSet<&String> = pks.iter().collect();
    let keys = pks.iter().map(|pk| items::ledger::head_key(pk)).collect();
    let keys = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true);
    let Ok(keys) = keys.build() else { return HashMap::new() };
    let sent = client
        .batch_get_item()
        .request_items(table, keys)
        .return_consumed_capacity(ReturnConsumedCapacity::Total)
        .send()
        .await;
    match sent {
        Ok(answer) => got(answer, pks),
        Err(error) => {
            let unavailable = unavailable("reading heads", &error).of(Dependency::LedgerTable);
            if unavailable.reason == Reason::Throttled {
                return pks.into_iter().map(|pk| (pk.clone(), Err(unavailable.clone()))).collect();
            }
            // A single slow key may have delayed the whole batch.
            tracing::warn!(%unavailable, causes = unavailable.causes(), "batch read failed, reading each head alone");
            HashMap::new()
        }
    }
}

/// Decodes an answer. A key that is neither returned nor unprocessed does not exist.
fn got(answer: BatchGetItemOutput, pks: HashSet<&String>) -> HashMap<String, HeadRead> {
    let counted = total(answer.consumed_capacity());
    let mut found: HashMap<String, Option<Item>> =
        pks.into_iter().map(|pk| (pk.clone(), None)).collect();
    let left_out = answer.unprocessed_keys.into_iter().flat_map(HashMap::into_values);
    for pk in left_out.flat_map(|keys| keys.keys).filter_map(|key| pk_of(&key).cloned()) {
        found.remove(&pk);
    }
    for item in answer.responses.into_iter().flat_map(HashMap::into_values).flatten() {
        if let Some(found) = pk_of(&item).and_then(|pk| found.get_mut(pk)) {
            *found = Some(item);
        }
    }
    // DynamoDB counts the capacity of the whole request. Each head gets a share by its size.
    let alone = |item: &Option<Item>| item.as_ref().map_or(1.0, items::read_units);
    let all = found.values().map(alone).sum::<f64>();
    let read = found.into_iter().map(|(pk, item)| {
        let units = Units { read: counted * alone(&item) / all, write: 0.0 };
        let head = item.map(items::ledger::read_head).transpose();
        (pk, head.map(|answer| Metered { answer, units }))
    });
    read.collect()
}

fn pk_of(item: &Item) -> Option<&String> {
    item.get("pk")?.as_s().ok()
}
