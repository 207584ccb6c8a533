//! Reads a head and one of its pages in one transaction. A query may return a head before the pages of its
//! transaction are visible. A transactional read sees all writes of a transaction or none.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{Get, ReturnConsumedCapacity, TransactGetItem};
use drover_core::base::cost::{Metered, Units};
use drover_core::base::error::{Reason, Unavailable};
use drover_core::ports::Together;

use super::capacity::total;
use super::heads::ItemKey;
use super::items::{self, Item};
use crate::calls::unavailable;

/// Reads a head and a page.
pub(super) async fn read(
    client: &Client,
    item_key: &ItemKey,
    key: &[u8],
) -> Result<Metered<Together>, Unavailable> {
    let incomplete = |_| Unavailable::new(Reason::Bug, "incomplete request for a head and a page");
    let gets = gets(item_key, key).map_err(incomplete)?;
    let answer = client
        .transact_get_items()
        .set_transact_items(Some(gets))
        .return_consumed_capacity(ReturnConsumedCapacity::Total)
        .send()
        .await
        .map_err(|error| unavailable("reading a head with a page", &error))?;
    let read = total(answer.consumed_capacity());
    // Responses are in the order of the request. An item that does not exist is empty.
    let mut items = answer.responses.unwrap_or_default().into_iter();
    let mut next = || items.next()?.item.filter(|item| !item.is_empty());
    let head = next().map(items::ledger::read_head).transpose()?;
    let page = next().map(items::ledger::read_page).transpose()?;
    Ok(Metered { answer: (head, page), units: Units { read, write: 0.0 } })
}

fn gets(ItemKey { table, pk }: &ItemKey, key: &[u8]) -> Result<Vec<TransactGetItem>, BuildError> {
    let get = |key: Item| -> Result<TransactGetItem, BuildError> {
        let get = Get::builder().table_name(table).set_key(Some(key)).build()?;
        Ok(TransactGetItem::builder().get(get).build())
    };
    Ok(vec![get(items::ledger::head_key(pk))?, get(items::ledger::page_item_key(pk, key))?])
}
