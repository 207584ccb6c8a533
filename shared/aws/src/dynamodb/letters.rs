//! Letters, runs and leases. [`chunks`] reads and writes the contents of letters.
//!
//! The SDK may retry a conditional put that was already applied. So a put also counts as done if the stored
//! item equals the new item. A lease with the caller's token belongs to the caller. `put_letter` does not
//! distinguish its own letter from an earlier letter with the same id.

use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use drover_core::base::cost::{Metered, Units};
use drover_core::base::dependency::Dependency;
use drover_core::base::error::{Reason, Unavailable};
use drover_core::base::time::Timestamp;
use drover_core::dead_letter::envelope::Chunk;
use drover_core::dead_letter::letter::{
    Lease, Letter, LetterRange, Order, Owner, StoredLetter, StoredRun, Wanted,
};
use drover_core::ports::Letters;

use super::capacity::counted;
use super::items::letters::{self as shapes, ItemKind};
use super::items::{Item, text};
use super::single_items::{Changed, Table};
use super::write;
use crate::Aws;
use crate::calls::unavailable;

mod chunks;

/// `t` is the token of the holder, `u` the end of the lease.
const LEASE_IS_FREE: &str = "attribute_not_exists(pk) OR t = :mine OR u <= :now";
const LEASE_IS_MINE: &str = "t = :mine";

impl Letters for Aws {
    async fn put_chunks(
        &self,
        owner: &Owner,
        id: &str,
        chunks: &[Chunk],
        expires_at: i64,
    ) -> Result<Units, Unavailable> {
        chunks::put(self, &owner.partition_key(), id, chunks, expires_at).await
    }

    async fn put_letter(
        &self,
        owner: &Owner,
        letter: &Letter,
    ) -> Result<Metered<bool>, Unavailable> {
        let stored = StoredLetter { letter: letter.clone(), version: 1 };
        let item = letter_item(owner, &stored)?;
        let put = self.letters()?.put_if("filing a letter", item, (write::ABSENT, None)).await?;
        Ok(Metered { answer: put.answer == Changed::Done, units: put.units })
    }

    async fn replace_letter(
        &self,
        owner: &Owner,
        old: &StoredLetter,
        letter: &Letter,
    ) -> Result<Metered<bool>, Unavailable> {
        let next = StoredLetter { letter: letter.clone(), version: old.version.saturating_add(1) };
        let item = letter_item(owner, &next)?;
        let put = self
            .letters()?
            .put_if("marking a letter", item, write::condition(Some(old.version)))
            .await?;
        put.try_map(|put| put.stored(shapes::read_letter, &next))
    }

    async fn letter(
        &self,
        owner: &Owner,
        id: &str,
    ) -> Result<Metered<Option<StoredLetter>>, Unavailable> {
        let key = ItemKind::Letters.key(&owner.partition_key(), id);
        let read = self.letters()?.get("reading a letter", key).await?;
        read.try_map(|item| item.map(shapes::read_letter).transpose())
    }

    async fn letters(
        &self,
        owner: &Owner,
        range: &LetterRange,
    ) -> Result<Metered<Vec<StoredLetter>>, Unavailable> {
        let items = self.list("listing letters", owner, ItemKind::Letters, range).await?;
        items.try_map(|items| items.into_iter().map(shapes::read_letter).collect())
    }

    async fn contents(
        &self,
        owner: &Owner,
        wanted: &[Wanted],
    ) -> Result<Metered<Vec<Option<Vec<u8>>>>, Unavailable> {
        chunks::get(self, &owner.partition_key(), wanted).await
    }

    async fn run(
        &self,
        owner: &Owner,
        id: &str,
    ) -> Result<Metered<Option<StoredRun>>, Unavailable> {
        let key = ItemKind::Runs.key(&owner.partition_key(), id);
        let read = self.letters()?.get("reading a run", key).await?;
        read.try_map(|item| item.map(shapes::read_run).transpose())
    }

    async fn runs(
        &self,
        owner: &Owner,
        limit: usize,
    ) -> Result<Metered<Vec<StoredRun>>, Unavailable> {
        let newest = LetterRange { after: None, order: Order::Falling, limit };
        let items = self.list("listing runs", owner, ItemKind::Runs, &newest).await?;
        items.try_map(|items| items.into_iter().map(shapes::read_run).collect())
    }

    async fn put_run(
        &self,
        owner: &Owner,
        id: &str,
        run: &StoredRun,
        expires_at: i64,
    ) -> Result<Metered<bool>, Unavailable> {
        let item = shapes::run_item(&owner.partition_key(), id, run, expires_at);
        let before = run.version.checked_sub(1).filter(|before| *before > 0);
        let put = self.letters()?.put_if("keeping a run", item, write::condition(before)).await?;
        put.try_map(|put| put.stored(shapes::read_run, run))
    }

    async fn take_lease(
        &self,
        owner: &Owner,
        lease: &Lease,
        now: Timestamp,
    ) -> Result<Metered<Option<Lease>>, Unavailable> {
        let item = shapes::lease_item(&owner.partition_key(), lease);
        let values = shapes::lease_values(&lease.token, now);
        let put =
            self.letters()?.put_if("taking a lease", item, (LEASE_IS_FREE, Some(values))).await?;
        put.try_map(|put| match put {
            Changed::Done => Ok(None),
            Changed::Lost(Some(holder)) => shapes::read_lease(holder).map(Some),
            Changed::Lost(None) => {
                let message = "another caller took or released the lease";
                Err(Unavailable::new(Reason::Contention, message).of(Dependency::LettersTable))
            }
        })
    }

    async fn lease(&self, owner: &Owner) -> Result<Metered<Option<Lease>>, Unavailable> {
        let read = self
            .letters()?
            .get("reading a lease", shapes::lease_key(&owner.partition_key()))
            .await?;
        read.try_map(|item| item.map(shapes::read_lease).transpose())
    }

    async fn release_lease(&self, owner: &Owner, token: &str) -> Result<Units, Unavailable> {
        let key = shapes::lease_key(&owner.partition_key());
        let condition = (LEASE_IS_MINE, Some(Item::from([(":mine".to_owned(), text(token))])));
        // If another caller holds the lease, or it was released, nothing is left to do.
        Ok(self.letters()?.delete_if("releasing a lease", key, condition).await?.units)
    }
}

impl Aws {
    pub(super) fn letters_table(&self) -> Result<&str, Unavailable> {
        self.config.letters_table.as_deref().ok_or_else(|| {
            Unavailable::new(Reason::Misconfigured, "this deployment has no letters table")
                .of(Dependency::LettersTable)
        })
    }

    fn letters(&self) -> Result<Table<'_>, Unavailable> {
        let name = self.letters_table()?;
        Ok(Table { client: &self.dynamodb, name, dependency: Dependency::LettersTable })
    }

    async fn list(
        &self,
        operation: &str,
        owner: &Owner,
        kind: ItemKind,
        range: &LetterRange,
    ) -> Result<Metered<Vec<Item>>, Unavailable> {
        let (table, pk) = (self.letters_table()?, owner.partition_key());
        let (mut found, mut units) = (Vec::new(), Units::default());
        // A query continues after a start key even if no item has this key.
        let mut next = range.after.as_deref().map(|after| kind.key(&pk, after));
        while found.len() < range.limit {
            let missing = i32::try_from(range.limit - found.len()).unwrap_or(i32::MAX);
            let answer = self
                .dynamodb
                .query()
                .table_name(table)
                .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                .set_expression_attribute_values(Some(kind.all(&pk)))
                .set_exclusive_start_key(next)
                .scan_index_forward(range.order == Order::Rising)
                .limit(missing)
                .consistent_read(true)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
                .await
                .map_err(|error| unavailable(operation, &error).of(Dependency::LettersTable))?;
            units.read += counted(answer.consumed_capacity.as_ref());
            found.extend(answer.items.unwrap_or_default());
            // An answer contains at most 1 MB, whatever the limit. Without a key, no more items follow.
            next = answer.last_evaluated_key.filter(|key| !key.is_empty());
            if next.is_none() {
                break;
            }
        }
        Ok(Metered { answer: found, units })
    }
}

fn letter_item(owner: &Owner, stored: &StoredLetter) -> Result<Item, Unavailable> {
    shapes::letter_item(&owner.partition_key(), stored)
        .ok_or_else(|| Unavailable::new(Reason::Bug, "a letter could not be encoded"))
}
