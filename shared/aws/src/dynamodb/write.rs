//! The conditional writes of one subject, and how they end. [`partiql`](super::partiql) has those
//! of many subjects in one request.
//!
//! The SDK puts a fresh `ClientRequestToken` into each transaction, and nothing here keeps one to
//! repeat it: the condition on the version, with the item that comes back, says whether a write
//! whose answer was lost was applied. It says so for a single put as well, and not for ten minutes
//! only.

use std::error::Error;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    CancellationReason, Put, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem,
};
use drover_core::base::cost::{Metered, Units};
use drover_core::base::dependency::Dependency;
use drover_core::base::error::{Reason, Unavailable};
use drover_core::ledger::dialogue::WriteAnswer;
use drover_core::ledger::{LedgerWrite, PageWrite};

use super::capacity::counted;
use super::heads::ItemKey;
use super::items::{self, Item};
use crate::calls::{Failure, names_one_key, unavailable};
use crate::said::Said;

/// Holds while there is no item of the key.
pub(super) const ABSENT: &str = "attribute_not_exists(pk)";
const UNCHANGED: &str = "v = :v";

/// Why nothing is known to be written.
#[derive(Debug)]
pub(crate) enum Unwritten {
    /// Another head is stored: this one. The factor is what a transaction multiplies units by.
    Lost { stored: Option<Item>, factor: f64 },
    /// It may have been written, or may be at the next attempt.
    Unknown(Reason),
    /// It was not, and trying again at once is pointless.
    Unavailable(Unavailable),
}

/// A transaction writes each item twice: it prepares, then commits.
const TRANSACTION: f64 = 2.0;

impl Unwritten {
    /// What the caller is told.
    pub(super) fn into_answer(self) -> Result<Metered<WriteAnswer>, Unavailable> {
        let units = Units { read: 0.0, write: self.units() };
        match self {
            Self::Lost { stored, .. } => {
                let answer = WriteAnswer::Lost(stored.map(items::read_head).transpose()?);
                Ok(Metered { answer, units })
            }
            Self::Unknown(reason) => Ok(Metered { answer: WriteAnswer::Unknown(reason), units }),
            Self::Unavailable(unavailable) => Err(unavailable),
        }
    }

    /// The write units it cost all the same, as far as that is known.
    pub(super) fn units(&self) -> f64 {
        match self {
            Self::Lost { stored, factor } => {
                factor * stored.as_ref().map_or(1.0, items::write_units)
            }
            Self::Unknown(_) | Self::Unavailable(_) => 0.0,
        }
    }
}

/// Puts a head, with a client that does not try again. Gives the units it cost.
pub(super) async fn put_head(
    client: &Client,
    ItemKey { table, pk }: &ItemKey,
    write: &LedgerWrite,
) -> Result<f64, Unwritten> {
    let (condition, values) = condition(write.expected);
    let sent = client
        .put_item()
        .table_name(table)
        .set_item(Some(items::head_item(pk, write)))
        .condition_expression(condition)
        .set_expression_attribute_values(values)
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .return_consumed_capacity(ReturnConsumedCapacity::Total)
        .send()
        .await;
    match sent {
        Ok(answer) => Ok(counted(answer.consumed_capacity.as_ref())),
        Err(error) => Err(put_failed(error)),
    }
}

/// Puts a page unless there is one of its key, with a client that tries again: it may be its own first
/// attempt that it finds there. Gives the units it cost.
pub(super) async fn seal(
    client: &Client,
    item_key: &ItemKey,
    page: &PageWrite,
) -> Result<f64, Unavailable> {
    let sent = client
        .put_item()
        .table_name(&item_key.table)
        .set_item(Some(items::page_item(&item_key.pk, page)))
        .condition_expression(ABSENT)
        .return_consumed_capacity(ReturnConsumedCapacity::Total)
        .send()
        .await;
    match sent {
        Ok(answer) => Ok(counted(answer.consumed_capacity.as_ref())),
        Err(error) if Failure::of(&error) == Failure::Condition => Ok(page_units(item_key, page)),
        Err(error) => Err(unavailable("sealing a page", &error).of(Dependency::LedgerTable)),
    }
}

/// What a page costs that was there already.
pub(super) fn page_units(item_key: &ItemKey, page: &PageWrite) -> f64 {
    items::write_units(&items::page_item(&item_key.pk, page))
}

/// Puts a head and pages, all or nothing, likewise. Gives the units it cost.
pub(super) async fn transact(
    client: &Client,
    item_key: &ItemKey,
    write: &LedgerWrite,
) -> Result<f64, Unwritten> {
    let puts = puts(item_key, write).map_err(|_| Unwritten::Unavailable(incomplete()))?;
    let sent = client
        .transact_write_items()
        .set_transact_items(Some(puts))
        .return_consumed_capacity(ReturnConsumedCapacity::Total)
        .send()
        .await;
    match sent {
        Ok(answer) => {
            let tables = answer.consumed_capacity.unwrap_or_default();
            Ok(tables.iter().map(|table| counted(Some(table))).sum())
        }
        Err(error) => Err(transaction_failed(error)),
    }
}

/// The head first: [`cancelled`] looks for its reason there. The pages have conditions, too: a query
/// may see a head before the pages of its transaction.
fn puts(
    ItemKey { table, pk }: &ItemKey,
    write: &LedgerWrite,
) -> Result<Vec<TransactWriteItem>, BuildError> {
    let (unchanged, values) = condition(write.expected);
    let head = Put::builder()
        .table_name(table)
        .set_item(Some(items::head_item(pk, write)))
        .condition_expression(unchanged)
        .set_expression_attribute_values(values)
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .build()?;
    let mut puts = vec![TransactWriteItem::builder().put(head).build()];
    for page in &write.pages {
        let (unchanged, values) = condition(page.replaces);
        let put = Put::builder()
            .table_name(table)
            .set_item(Some(items::page_item(pk, page)))
            .condition_expression(unchanged)
            .set_expression_attribute_values(values)
            .build()?;
        puts.push(TransactWriteItem::builder().put(put).build());
    }
    Ok(puts)
}

/// Holds while this version is stored, or nothing is.
pub(super) fn condition(expected: Option<u64>) -> (&'static str, Option<Item>) {
    match expected {
        None => (ABSENT, None),
        Some(version) => (UNCHANGED, Some(Item::from([(":v".to_owned(), items::number(version))]))),
    }
}

fn put_failed(error: SdkError<PutItemError>) -> Unwritten {
    if let Some(unwritten) = unwritten(&error) {
        return unwritten;
    }
    match error.into_service_error() {
        PutItemError::ConditionalCheckFailedException(failed) => {
            Unwritten::Lost { stored: failed.item, factor: 1.0 }
        }
        _ => Unwritten::Unknown(Reason::Unreachable),
    }
}

fn transaction_failed(error: SdkError<TransactWriteItemsError>) -> Unwritten {
    match error {
        SdkError::ServiceError(answered) if answered.err().is_transaction_canceled_exception() => {
            match answered.into_err() {
                TransactWriteItemsError::TransactionCanceledException(error) => {
                    cancelled(error.cancellation_reasons.unwrap_or_default())
                }
                _ => Unwritten::Unknown(Reason::Unreachable),
            }
        }
        error => unwritten(&error).unwrap_or(Unwritten::Unknown(Reason::Contention)),
    }
}

/// A cancelled transaction has a reason for each item, in order; `None` for those that had none.
/// A page that is another one than was read tells nothing of the head.
fn cancelled(reasons: Vec<CancellationReason>) -> Unwritten {
    let refused = reasons.iter().find_map(|reason| match failure(reason)? {
        failure @ (Failure::Refused | Failure::Invalid) => Some((failure, reason)),
        _ => None,
    });
    if let Some((failure, reason)) = refused {
        let said = Said(reason.message().unwrap_or("nothing"));
        let message = format!("writing head and pages was refused: said=`{said}`");
        return Unwritten::Unavailable(
            Unavailable::new(failure.reason(), message).of(Dependency::LedgerTable),
        );
    }
    let first = reasons.iter().find_map(failure).map_or(Reason::Unreachable, Failure::reason);
    match reasons.into_iter().next() {
        Some(head) if failure(&head) == Some(Failure::Condition) => {
            Unwritten::Lost { stored: head.item, factor: TRANSACTION }
        }
        _ => Unwritten::Unknown(first),
    }
}

fn failure(reason: &CancellationReason) -> Option<Failure> {
    let failure = Failure::of_code(reason.code().filter(|code| *code != "None")?);
    let of_one_key = reason.message().is_some_and(names_one_key);
    Some(if failure == Failure::Throttled && of_one_key { Failure::HotKey } else { failure })
}

/// What a failure means for a write; `None`: its condition failed.
pub(super) fn unwritten<E>(error: &SdkError<E>) -> Option<Unwritten>
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match Failure::of(error) {
        Failure::Condition => None,
        failure @ (Failure::HotKey | Failure::Throttled | Failure::Conflict | Failure::Unknown) => {
            Some(Unwritten::Unknown(failure.reason()))
        }
        Failure::NotSent | Failure::Refused | Failure::Invalid => Some(Unwritten::Unavailable(
            unavailable("writing a head", error).of(Dependency::LedgerTable),
        )),
    }
}

fn incomplete() -> Unavailable {
    Unavailable::new(Reason::Bug, "a head or page could not be put into a request")
}
