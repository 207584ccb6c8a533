//! Heads, read alone or many in one request.

use std::collections::{HashMap, HashSet};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::batch_get_item::BatchGetItemOutput;
use aws_sdk_dynamodb::types::{KeysAndAttributes, ReturnConsumedCapacity};

use super::counted;
use super::items::{self, Item};
use crate::aws::calls::{Failure, unavailable};
use crate::error::Unavailable;
use crate::ledger::StoredHead;
use crate::pipeline::ports::{Metered, Units};

/// Of one request. DynamoDB would take more keys, but not within the time of one attempt if the
/// heads are large.
pub(super) const MOST: usize = 25;

/// The table and partition key of a subject.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::aws) struct Place {
    pub(super) table: String,
    pub(super) pk: String,
}

/// A head, if there is one.
pub(in crate::aws) type HeadRead = Result<Metered<Option<StoredHead>>, Unavailable>;

/// Reads one, strongly consistent.
pub(super) async fn read(client: &Client, place: &Place) -> HeadRead {
    let answer = client
        .get_item()
        .table_name(&place.table)
        .set_key(Some(items::head_key(&place.pk)))
        .consistent_read(true)
        .return_consumed_capacity(ReturnConsumedCapacity::Total)
        .send()
        .await
        .map_err(|error| unavailable("reading a head", &error))?;
    let units = Units { read: counted(answer.consumed_capacity.as_ref()), write: 0.0 };
    Ok(Metered { answer: answer.item.map(items::read_head).transpose()?, units })
}

/// Reads several, strongly consistent. `None`: that one has to be read alone, because it was left out, or
/// asked for twice, or because the request was refused.
pub(super) async fn read_many(client: Client, places: Vec<Place>) -> Vec<Option<HeadRead>> {
    let mut read = if places.len() > 1 { get(&client, &places).await } else { HashMap::new() };
    places.iter().map(|place| read.remove(place)).collect()
}

async fn get(client: &Client, places: &[Place]) -> HashMap<Place, HeadRead> {
    let places: HashSet<&Place> = places.iter().collect();
    let mut keys: HashMap<&str, Vec<Item>> = HashMap::new();
    for place in &places {
        keys.entry(&place.table).or_default().push(items::head_key(&place.pk));
    }
    let keys = keys.into_iter().map(|(table, keys)| {
        let keys = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true);
        keys.build().map(|keys| (table.to_owned(), keys))
    });
    let Ok(keys) = keys.collect::<Result<_, BuildError>>() else { return HashMap::new() };
    let sent = client
        .batch_get_item()
        .set_request_items(Some(keys))
        .return_consumed_capacity(ReturnConsumedCapacity::Total)
        .send()
        .await;
    match sent {
        Ok(answer) => got(answer, &places),
        Err(error) => {
            let unavailable = unavailable("reading heads", &error);
            if Failure::of(&error) == Failure::Refused {
                tracing::warn!(%unavailable, "each head is read alone");
                return HashMap::new();
            }
            places.into_iter().map(|place| (place.clone(), Err(unavailable.clone()))).collect()
        }
    }
}

/// What was asked for and is neither there nor left out does not exist.
fn got(answer: BatchGetItemOutput, places: &HashSet<&Place>) -> HashMap<Place, HeadRead> {
    let counted = answer.consumed_capacity().iter().map(|one| counted(Some(one))).sum::<f64>();
    let mut found: HashMap<Place, Option<Item>> =
        places.iter().map(|place| ((*place).clone(), None)).collect();
    for (table, keys) in answer.unprocessed_keys.unwrap_or_default() {
        for place in keys.keys.iter().filter_map(|key| place_of(&table, key)) {
            found.remove(&place);
        }
    }
    for (table, items) in answer.responses.unwrap_or_default() {
        for item in items {
            if let Some(found) = place_of(&table, &item).and_then(|place| found.get_mut(&place)) {
                *found = Some(item);
            }
        }
    }
    // DynamoDB counts the request: each has the part of it that it would have alone.
    let alone = |item: &Option<Item>| item.as_ref().map_or(1.0, items::read_units);
    let all = found.values().map(alone).sum::<f64>();
    let read = found.into_iter().map(|(place, item)| {
        let units = Units { read: counted * alone(&item) / all, write: 0.0 };
        let head = item.map(items::read_head).transpose();
        (place, head.map(|answer| Metered { answer, units }))
    });
    read.collect()
}

fn place_of(table: &str, item: &Item) -> Option<Place> {
    let pk = item.get("pk")?.as_s().ok()?;
    Some(Place { table: table.to_owned(), pk: pk.clone() })
}
