//! Deletes the items of a forgotten subject from the ledger and the letters. Only the credentials of a person
//! may delete; the roles of the functions may not.

use drover_core::base::dependency::Dependency;
use drover_core::base::error::Unavailable;
use drover_core::dead_letter::letter::{FiledChunk, Owner};
use drover_core::ledger::{Bound, StoredHead};
use drover_core::ports::{Eraser, LetterEraser, SubjectLocation};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::items::letters::{self as shapes, ItemKind};
use super::items::{self, Item};
use super::write::{Unwritten, condition, unwritten};
use crate::Aws;
use crate::calls::unavailable;

/// Maximum number of page keys in one read.
const PAGES: i32 = 200;
/// Maximum number of concurrent deletions.
const TOGETHER: usize = 16;

impl Eraser for Aws {
    async fn replace_unlisted(
        &self,
        location: &SubjectLocation,
        head: &StoredHead,
    ) -> Result<bool, Unavailable> {
        let item_key = self.item_key(location);
        let (condition, values) = condition(head.version.checked_sub(1));
        let sent = self
            .once
            .put_item()
            .table_name(&item_key.table)
            .set_item(Some(items::ledger::unlisted_head_item(&item_key.pk, head)))
            .condition_expression(condition)
            .set_expression_attribute_values(values)
            .send()
            .await;
        match sent.map_err(|error| unwritten(&error)) {
            Ok(_) => Ok(true),
            Err(Some(Unwritten::Unavailable(unavailable))) => Err(unavailable),
            Err(None | Some(Unwritten::Unknown(_) | Unwritten::Lost { .. })) => Ok(false),
        }
    }

    async fn delete_pages(
        &self,
        location: &SubjectLocation,
        up_to: &[u8],
    ) -> Result<usize, Unavailable> {
        let item_key = self.item_key(location);
        let answer = self
            .dynamodb
            .query()
            .table_name(&item_key.table)
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
            .set_expression_attribute_values(Some(items::ledger::pages_between(
                &item_key.pk,
                &Bound::UpTo(up_to.to_vec()),
            )))
            .projection_expression("pk, sk")
            .limit(PAGES)
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| {
                unavailable("reading the keys of pages", &error).of(Dependency::LedgerTable)
            })?;
        let keys: Vec<Item> = answer.items.unwrap_or_default();
        let count = keys.len();
        let deletions = keys.into_iter().map(|key| {
            self.delete(Dependency::LedgerTable, "deleting a page", &item_key.table, key)
        });
        stream::iter(deletions).buffer_unordered(TOGETHER).try_collect::<()>().await?;
        Ok(count)
    }
}

impl LetterEraser for Aws {
    async fn chunks_behind(
        &self,
        owner: &Owner,
        last: Option<(&str, u32)>,
    ) -> Result<Vec<FiledChunk>, Unavailable> {
        let pk = owner.partition_key();
        // One answer contains at most 1 MB.
        let answer = self
            .dynamodb
            .query()
            .table_name(self.letters_table()?)
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .set_expression_attribute_values(Some(shapes::all_chunks(&pk)))
            .set_exclusive_start_key(
                last.map(|(id, number)| shapes::chunk_key(&pk, &shapes::chunk_name(id, number))),
            )
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| {
                unavailable("reading contents of letters", &error).of(Dependency::LettersTable)
            })?;
        answer.items.unwrap_or_default().into_iter().map(shapes::read_filed_chunk).collect()
    }

    async fn delete_letter(&self, owner: &Owner, id: &str) -> Result<(), Unavailable> {
        let key = ItemKind::Letters.key(&owner.partition_key(), id);
        self.delete(Dependency::LettersTable, "deleting a letter", self.letters_table()?, key).await
    }

    async fn delete_chunks(
        &self,
        owner: &Owner,
        id: &str,
        numbers: &[u32],
    ) -> Result<(), Unavailable> {
        let (table, pk) = (self.letters_table()?, owner.partition_key());
        let key = |number: &u32| shapes::chunk_key(&pk, &shapes::chunk_name(id, *number));
        let keys: Vec<Item> = numbers.iter().map(key).collect();
        let deletions = keys
            .into_iter()
            .map(|key| self.delete(Dependency::LettersTable, "deleting a content", table, key));
        stream::iter(deletions).buffer_unordered(TOGETHER).try_collect::<()>().await
    }
}

impl Aws {
    async fn delete(
        &self,
        dependency: Dependency,
        operation: &str,
        table: &str,
        key: Item,
    ) -> Result<(), Unavailable> {
        let sent = self.dynamodb.delete_item().table_name(table).set_key(Some(key)).send().await;
        sent.map(drop).map_err(|error| unavailable(operation, &error).of(dependency))
    }
}
