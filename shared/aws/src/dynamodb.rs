//! The ports on DynamoDB. Each call builds a request without I/O, sends it, and decodes the answer without
//! I/O.
//!
//! - [`items`]: encodes and decodes items
//! - [`write`](self::write): conditional writes and their results
//! - [`heads`]: reads heads, alone or in batches; [`together`]: reads a head and a page in one transaction
//! - [`partiql`]: writes heads and pages in batches
//! - [`request_batcher`]: joins concurrent calls into batches
//! - [`listing`]: reads the listing index
//! - [`registry`]: writes documents; [`requests`]: claims idempotency keys
//! - [`single_items`]: reads and conditional writes of single items
//! - [`letters`]: letters, runs and leases; [`timers`]: timers, and the cursor of the sweep; [`alerts`]: alerts
//! - [`erasing`]: deletes the items of a forgotten subject
//! - [`capacity`]: the consumed capacity of a call
//!
//! Every read of a table is strongly consistent. The SDK retries reads. `seal` retries once if the result of
//! its first attempt is unknown. Head writes are not retried here, because only the caller can tell its own
//! write from the write of another writer.

use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use drover_core::base::cost::{Metered, Units};
use drover_core::base::dependency::Dependency;
use drover_core::base::error::Unavailable;
use drover_core::intake::document::{DocumentName, StoredDocument};
use drover_core::ledger::dialogue::WriteAnswer;
use drover_core::ledger::{Bound, LedgerWrite, PageRange, PageWrite, StoredHead, StoredPage};
use drover_core::ports::{Documents, Store, SubjectLocation, Together};

use crate::Aws;
use crate::calls::unavailable;

mod alerts;
mod capacity;
mod deliveries;
mod erasing;
mod heads;
mod items;
mod letters;
mod listing;
mod partiql;
mod received;
mod registry;
mod request_batcher;
mod requests;
mod single_items;
mod timers;
mod together;
mod write;

use self::capacity::counted;
pub(super) use self::heads::HeadRead;
use self::heads::ItemKey;
pub(super) use self::partiql::{Put, PutOutcome};
pub use self::registry::{Applied, REGISTRY_WRITES};
pub(super) use self::request_batcher::RequestBatcher;
use self::write::Unwritten;

impl Store for Aws {
    async fn head(
        &self,
        location: &SubjectLocation,
    ) -> Result<Metered<Option<StoredHead>>, Unavailable> {
        let item_key = self.item_key(location);
        let (client, table) = (self.dynamodb.clone(), item_key.table.clone());
        let read = move |pks| heads::read_many(client.clone(), table.clone(), pks);
        match self.reads.ask(&item_key.table, item_key.pk.clone(), heads::MOST, read).await {
            Some(read) => read,
            None => heads::read(&self.dynamodb, &item_key).await,
        }
    }

    async fn pages(
        &self,
        location: &SubjectLocation,
        range: &PageRange,
    ) -> Result<Metered<Vec<StoredPage>>, Unavailable> {
        let values = items::ledger::pages_between(&location.key.partition_key(), &range.bound);
        let forward = matches!(range.bound, Bound::From(_));
        let (mut pages, mut units) = (Vec::new(), Units::default());
        let mut next = None;
        while pages.len() < range.limit {
            let missing = i32::try_from(range.limit - pages.len()).unwrap_or(i32::MAX);
            let answer = self
                .dynamodb
                .query()
                .table_name(self.table(location))
                .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
                .set_expression_attribute_values(Some(values.clone()))
                .set_exclusive_start_key(next)
                .scan_index_forward(forward)
                .limit(missing)
                .consistent_read(true)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
                .await
                .map_err(|error| {
                    unavailable("reading pages", &error).of(Dependency::LedgerTable)
                })?;
            units.read += counted(answer.consumed_capacity.as_ref());
            for item in answer.items.unwrap_or_default() {
                pages.push(items::ledger::read_page(item)?);
            }
            // An answer contains at most 1 MB, whatever the limit. Without a key, no more pages follow.
            next = answer.last_evaluated_key.filter(|key| !key.is_empty());
            if next.is_none() {
                break;
            }
        }
        Ok(Metered { answer: pages, units })
    }

    async fn together(
        &self,
        location: &SubjectLocation,
        key: &[u8],
    ) -> Result<Metered<Together>, Unavailable> {
        together::read(&self.dynamodb, &self.item_key(location), key).await
    }

    async fn seal(
        &self,
        location: &SubjectLocation,
        page: &PageWrite,
    ) -> Result<Metered<()>, Unavailable> {
        let item_key = self.item_key(location);
        let write = match self.put(&item_key, Put::page(&item_key, page)).await {
            Some(PutOutcome::Written(units)) => units,
            // The page exists already.
            Some(PutOutcome::Exists | PutOutcome::Lost(_)) => write::page_units(&item_key, page),
            // The client without retries sends the second attempt. A third attempt would exceed the time of
            // a call.
            Some(PutOutcome::Unknown(_)) => write::seal(&self.once, &item_key, page).await?,
            None => write::seal(&self.dynamodb, &item_key, page).await?,
        };
        Ok(Metered { answer: (), units: Units { read: 0.0, write } })
    }

    async fn write(
        &self,
        location: &SubjectLocation,
        write: &LedgerWrite,
    ) -> Result<Metered<WriteAnswer>, Unavailable> {
        let item_key = self.item_key(location);
        let sent = if write.pages.is_empty() {
            self.put_head(&item_key, write).await
        } else {
            write::transact(&self.once, &item_key, write).await
        };
        match sent {
            Ok(write) => {
                let units = Units { read: 0.0, write };
                Ok(Metered { answer: WriteAnswer::Written, units })
            }
            Err(unwritten) => unwritten.into_answer(),
        }
    }
}

impl Documents for Aws {
    /// Does not request the consumed capacity: documents are cached, and their cost is not counted.
    async fn document(&self, name: &DocumentName) -> Result<Option<StoredDocument>, Unavailable> {
        let answer = self
            .dynamodb
            .get_item()
            .table_name(&*self.config.registry_table)
            .set_key(Some(items::registry::document_key(name.storage_key())))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| unavailable("reading a document", &error).of(Dependency::Registry))?;
        answer.item.map(items::registry::read_document).transpose()
    }
}

impl Aws {
    /// Puts a head. Returns the consumed write units.
    async fn put_head(&self, item_key: &ItemKey, write: &LedgerWrite) -> Result<f64, Unwritten> {
        let request_batcher = if write.head.bytes.len() > partiql::LARGE {
            None
        } else {
            self.put(item_key, Put::head(item_key, write)).await
        };
        match request_batcher {
            Some(PutOutcome::Written(units)) => Ok(units),
            Some(PutOutcome::Lost(item)) => {
                Err(Unwritten::Lost { stored: Some(item), factor: 1.0 })
            }
            Some(PutOutcome::Unknown(reason)) => Err(Unwritten::Unknown(reason)),
            Some(PutOutcome::Exists) | None => write::put_head(&self.once, item_key, write).await,
        }
    }

    async fn put(&self, item_key: &ItemKey, put: Put) -> Option<PutOutcome> {
        let client = self.once.clone();
        let send = move |puts| partiql::put(client.clone(), puts);
        self.puts.ask(&item_key.table, put, partiql::MOST, send).await
    }

    fn item_key(&self, location: &SubjectLocation) -> ItemKey {
        ItemKey { table: self.table(location).to_owned(), pk: location.key.partition_key() }
    }

    fn table<'a>(&'a self, location: &'a SubjectLocation) -> &'a str {
        location.table.as_deref().unwrap_or(&self.config.ledger_table)
    }
}
