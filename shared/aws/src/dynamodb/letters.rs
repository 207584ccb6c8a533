//! Letters, runs and leases. [`chunks`] reads and writes the contents of letters.
//!
//! The SDK may retry a conditional put that was already applied. So a put also counts as done if the stored
//! item equals the new item. A lease with the caller's token belongs to the caller. `put_letter` does not
//! distinguish its own letter from an earlier letter with the same id.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure};
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
use super::{items, write};
use crate::Aws;
use crate::calls::{Failure, unavailable};

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
        let put = self.put_if("filing a letter", item, (write::ABSENT, None)).await?;
        Ok(Metered { answer: put.answer == Put::Done, units: put.units })
    }

    async fn replace_letter(
        &self,
        owner: &Owner,
        old: &StoredLetter,
        letter: &Letter,
    ) -> Result<Metered<bool>, Unavailable> {
        let next = StoredLetter { letter: letter.clone(), version: old.version.saturating_add(1) };
        let item = letter_item(owner, &next)?;
        let put =
            self.put_if("marking a letter", item, write::condition(Some(old.version))).await?;
        put.try_map(|put| put.stored(shapes::read_letter, &next))
    }

    async fn letter(
        &self,
        owner: &Owner,
        id: &str,
    ) -> Result<Metered<Option<StoredLetter>>, Unavailable> {
        let key = ItemKind::Letters.key(&owner.partition_key(), id);
        let read = self.get("reading a letter", key).await?;
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
        let read = self.get("reading a run", key).await?;
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
        let put = self.put_if("keeping a run", item, write::condition(before)).await?;
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
        let put = self.put_if("taking a lease", item, (LEASE_IS_FREE, Some(values))).await?;
        put.try_map(|put| match put {
            Put::Done => Ok(None),
            Put::Lost(Some(holder)) => shapes::read_lease(holder).map(Some),
            Put::Lost(None) => {
                let message = "another caller took or released the lease";
                Err(Unavailable::new(Reason::Contention, message).of(Dependency::LettersTable))
            }
        })
    }

    async fn lease(&self, owner: &Owner) -> Result<Metered<Option<Lease>>, Unavailable> {
        let read = self.get("reading a lease", shapes::lease_key(&owner.partition_key())).await?;
        read.try_map(|item| item.map(shapes::read_lease).transpose())
    }

    async fn release_lease(&self, owner: &Owner, token: &str) -> Result<Units, Unavailable> {
        let sent = self
            .dynamodb
            .delete_item()
            .table_name(self.letters_table()?)
            .set_key(Some(shapes::lease_key(&owner.partition_key())))
            .condition_expression(LEASE_IS_MINE)
            .expression_attribute_values(":mine", text(token))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        let write = match sent {
            Ok(answer) => counted(answer.consumed_capacity.as_ref()),
            // Another caller holds the lease, or it was released, maybe by the first attempt of this call.
            Err(error) if Failure::of(&error) == Failure::Condition => 1.0,
            Err(error) => {
                return Err(unavailable("releasing a lease", &error).of(Dependency::LettersTable));
            }
        };
        Ok(Units { read: 0.0, write })
    }
}

/// The result of a conditional put.
#[derive(Debug, PartialEq)]
enum Put {
    Done,
    /// The condition failed. The stored item, if the answer contains it.
    Lost(Option<Item>),
}

impl Put {
    /// Whether the expected value is stored.
    fn stored<T: PartialEq>(
        self,
        read: impl FnOnce(Item) -> Result<T, Unavailable>,
        expected: &T,
    ) -> Result<bool, Unavailable> {
        match self {
            Self::Done => Ok(true),
            Self::Lost(None) => Ok(false),
            Self::Lost(Some(item)) => Ok(read(item)? == *expected),
        }
    }
}

impl Aws {
    pub(super) fn letters_table(&self) -> Result<&str, Unavailable> {
        self.config.letters_table.as_deref().ok_or_else(|| {
            Unavailable::new(Reason::Misconfigured, "this deployment has no letters table")
                .of(Dependency::LettersTable)
        })
    }

    async fn put_if(
        &self,
        operation: &str,
        item: Item,
        (condition, values): (&str, Option<Item>),
    ) -> Result<Metered<Put>, Unavailable> {
        let sent = self
            .dynamodb
            .put_item()
            .table_name(self.letters_table()?)
            .set_item(Some(item))
            .condition_expression(condition)
            .set_expression_attribute_values(values)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        let (answer, write) = match sent {
            Ok(answer) => (Put::Done, counted(answer.consumed_capacity.as_ref())),
            Err(error) => {
                let stored = lost(&error)
                    .ok_or_else(|| unavailable(operation, &error).of(Dependency::LettersTable))?;
                let write = stored.as_ref().map_or(1.0, items::write_units);
                (Put::Lost(stored), write)
            }
        };
        Ok(Metered { answer, units: Units { read: 0.0, write } })
    }

    async fn get(&self, operation: &str, key: Item) -> Result<Metered<Option<Item>>, Unavailable> {
        let answer = self
            .dynamodb
            .get_item()
            .table_name(self.letters_table()?)
            .set_key(Some(key))
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| unavailable(operation, &error).of(Dependency::LettersTable))?;
        let units = Units { read: counted(answer.consumed_capacity.as_ref()), write: 0.0 };
        Ok(Metered { answer: answer.item, units })
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

/// The stored item of a failed condition, if the answer contains it. `None`: the put failed for another
/// reason.
fn lost<R>(error: &SdkError<PutItemError, R>) -> Option<Option<Item>> {
    let Some(PutItemError::ConditionalCheckFailedException(failed)) = error.as_service_error()
    else {
        return None;
    };
    Some(failed.item().cloned())
}
