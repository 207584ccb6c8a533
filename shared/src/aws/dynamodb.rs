//! The ledger and the registry in DynamoDB. Each call is a request (built without I/O), one
//! `send`, and an answer that is read without I/O; [`items`] knows what items look like,
//! [`write`](self::write) how a conditional write ends, [`registry`] how documents are applied,
//! [`listing`] how the index is read, and [`letters`] what becomes of dead letters.
//!
//! Every read of a table is strongly consistent. Reads and seals are tried again by the SDK; head writes are
//! not, because only the caller can tell its own write from another writer's.

use aws_sdk_dynamodb::types::{ConsumedCapacity, ReturnConsumedCapacity};

use crate::aws::Aws;
use crate::aws::calls::{Failure, unavailable};
use crate::error::Unavailable;
use crate::ledger::dialogue::WriteAnswer;
use crate::ledger::{Bound, LedgerWrite, PageRange, PageWrite, StoredHead, StoredPage};
use crate::pipeline::ports::{Home, Metered, Store, Units};
use crate::registry::{DocumentName, Documents, StoredDocument};

mod items;
mod letters;
mod listing;
mod registry;
mod requests;
mod write;

pub use self::registry::Applied;

impl Store for Aws {
    async fn head(&self, home: &Home) -> Result<Metered<Option<StoredHead>>, Unavailable> {
        let answer = self
            .dynamodb
            .get_item()
            .table_name(self.table(home))
            .set_key(Some(items::head_key(&home.key.partition_key())))
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| unavailable("reading a head", &error))?;
        let units = Units { read: counted(answer.consumed_capacity.as_ref()), write: 0.0 };
        Ok(Metered { answer: answer.item.map(items::read_head).transpose()?, units })
    }

    async fn pages(
        &self,
        home: &Home,
        range: &PageRange,
    ) -> Result<Metered<Vec<StoredPage>>, Unavailable> {
        let values = items::pages_between(&home.key.partition_key(), &range.bound);
        let forward = matches!(range.bound, Bound::From(_));
        let (mut pages, mut units) = (Vec::new(), Units::default());
        let mut next = None;
        while pages.len() < range.limit {
            let missing = i32::try_from(range.limit - pages.len()).unwrap_or(i32::MAX);
            let answer = self
                .dynamodb
                .query()
                .table_name(self.table(home))
                .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
                .set_expression_attribute_values(Some(values.clone()))
                .set_exclusive_start_key(next)
                .scan_index_forward(forward)
                .limit(missing)
                .consistent_read(true)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
                .await
                .map_err(|error| unavailable("reading pages", &error))?;
            units.read += counted(answer.consumed_capacity.as_ref());
            for item in answer.items.unwrap_or_default() {
                pages.push(items::read_page(item)?);
            }
            // One answer ends at 1 MB, whatever was asked for; without a key there is no more.
            next = answer.last_evaluated_key.filter(|key| !key.is_empty());
            if next.is_none() {
                break;
            }
        }
        Ok(Metered { answer: pages, units })
    }

    async fn seal(&self, home: &Home, page: &PageWrite) -> Result<Metered<()>, Unavailable> {
        let item = items::page_item(&home.key.partition_key(), page);
        let put_again = items::write_units(&item);
        let sent = self
            .dynamodb
            .put_item()
            .table_name(self.table(home))
            .set_item(Some(item))
            .condition_expression(write::ABSENT)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        let write = match sent {
            Ok(answer) => counted(answer.consumed_capacity.as_ref()),
            // Somebody put it, perhaps this call's own first attempt.
            Err(error) if Failure::of(&error) == Failure::Condition => put_again,
            Err(error) => return Err(unavailable("sealing a page", &error)),
        };
        Ok(Metered { answer: (), units: Units { read: 0.0, write } })
    }

    async fn write(
        &self,
        home: &Home,
        write: &LedgerWrite,
    ) -> Result<Metered<WriteAnswer>, Unavailable> {
        let (table, pk) = (self.table(home), home.key.partition_key());
        let sent = if write.pages.is_empty() {
            write::put_head(&self.heads, table, &pk, write).await
        } else {
            write::transact(&self.heads, table, &pk, write).await
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
    /// Units are not asked for: documents are cached, and nobody is charged for them.
    async fn document(&self, name: &DocumentName) -> Result<Option<StoredDocument>, Unavailable> {
        let answer = self
            .dynamodb
            .get_item()
            .table_name(&*self.config.registry_table)
            .set_key(Some(items::document_key(name.storage_key())))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| unavailable("reading a document", &error))?;
        answer.item.map(items::read_document).transpose()
    }
}

impl Aws {
    fn table<'a>(&'a self, home: &'a Home) -> &'a str {
        home.table.as_deref().unwrap_or(&self.config.ledger_table)
    }
}

fn counted(capacity: Option<&ConsumedCapacity>) -> f64 {
    capacity.and_then(ConsumedCapacity::capacity_units).unwrap_or(0.0)
}
