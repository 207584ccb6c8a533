//! Writes the changes of a [`Plan`] to the registry, in one transaction. A failed or overtaken call changes
//! nothing. So a key that was removed from its tenant is always removed, and no document is newer than the
//! revision.
//!
//! The SDK may retry: it sends the same `ClientRequestToken`, and DynamoDB applies a transaction with the
//! same token only once.

use aws_sdk_dynamodb::error::{BuildError, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem};
use drover_core::base::dependency::Dependency;
use drover_core::base::error::{Reason, Unavailable};
use drover_core::base::limits::TRANSACTION_ITEMS;
use drover_core::intake::document::DocumentName;
use drover_core::registry::{Change, Plan, Write};

use super::items;
use super::write::condition;
use crate::Aws;
use crate::calls::{Failure, unavailable};

/// Maximum number of writes of a [`Plan`]: the items of one DynamoDB transaction.
pub const REGISTRY_WRITES: usize = TRANSACTION_ITEMS;

/// The result of applying a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// All changes were written.
    Whole,
    /// Another writer has changed this document since it was read. Nothing was written.
    Overtaken(DocumentName),
}

impl Aws {
    /// Writes all changes of the plan, or none.
    ///
    /// # Errors
    /// DynamoDB does not answer, or the plan has more than [`REGISTRY_WRITES`].
    pub async fn apply(&self, plan: &Plan) -> Result<Applied, Unavailable> {
        if plan.writes.is_empty() {
            return Ok(Applied::Whole);
        }
        if plan.writes.len() > REGISTRY_WRITES {
            let count = plan.writes.len();
            let message = format!(
                "too many changes for one transaction: count=`{count}` maximum=`{REGISTRY_WRITES}`"
            );
            return Err(Unavailable::new(Reason::Misconfigured, message).of(Dependency::Registry));
        }
        let table = &self.config.registry_table;
        let items: Result<Vec<_>, _> = plan.writes.iter().map(|write| item(table, write)).collect();
        let items = items.map_err(|_| Unavailable::new(Reason::Bug, "incomplete request"))?;
        let sent = self.dynamodb.transact_write_items().set_transact_items(Some(items));
        match sent.send().await {
            Ok(_) => Ok(Applied::Whole),
            Err(error) => match overtaken(&error).and_then(|at| plan.writes.get(at)) {
                Some(write) => Ok(Applied::Overtaken(write.name.clone())),
                None => Err(unavailable("writing documents", &error).of(Dependency::Registry)),
            },
        }
    }
}

fn item(table: &str, write: &Write) -> Result<TransactWriteItem, BuildError> {
    let key = write.name.storage_key();
    Ok(match &write.change {
        Change::Put { document, replaces } => {
            let (condition, values) = condition(*replaces);
            let put = Put::builder()
                .table_name(table)
                .set_item(Some(items::registry::document_item(key, document)))
                .condition_expression(condition)
                .set_expression_attribute_values(values);
            TransactWriteItem::builder().put(put.build()?).build()
        }
        Change::Delete => {
            let delete = Delete::builder().table_name(table);
            let delete = delete.set_key(Some(items::registry::document_key(key)));
            TransactWriteItem::builder().delete(delete.build()?).build()
        }
    })
}

/// The index of the write whose condition failed, because another document is stored.
fn overtaken<R>(error: &SdkError<TransactWriteItemsError, R>) -> Option<usize> {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
        error.as_service_error()
    else {
        return None;
    };
    let failure = |code: Option<&str>| code.map(Failure::of_code) == Some(Failure::Condition);
    cancelled.cancellation_reasons().iter().position(|reason| failure(reason.code()))
}
