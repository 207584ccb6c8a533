//! Conditional writes of one subject, and their results. [`partiql`](super::partiql) writes many subjects in
//! one request.
//!
//! Retries do not reuse the `ClientRequestToken` of a transaction. Instead, the condition on the version and
//! the stored item in the answer show whether a write without an answer was applied. This also works for
//! single puts, and without the token's limit of ten minutes.

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

use super::capacity::{counted, total};
use super::heads::ItemKey;
use super::items::{self, Item};
use crate::calls::{Failure, names_one_key, unavailable};
use crate::said::Said;

/// The condition that no item has the key.
pub(super) const ABSENT: &str = "attribute_not_exists(pk)";
const UNCHANGED: &str = "v = :v";

/// The failure of a write.
#[derive(Debug)]
pub(crate) enum Unwritten {
    /// The condition failed: another head is stored. `factor` multiplies the write units of the item.
    Lost { stored: Option<Item>, factor: f64 },
    /// The write may have been applied, and a retry may succeed.
    Unknown(Reason),
    /// The write was not applied, and an immediate retry would fail again.
    Unavailable(Unavailable),
}

/// The cost factor of a transaction: it writes each item twice, to prepare and to commit.
pub(super) const TRANSACTION: f64 = 2.0;

impl Unwritten {
    /// Converts the failure into the answer of the port.
    pub(super) fn into_answer(self) -> Result<Metered<WriteAnswer>, Unavailable> {
        let units = Units { read: 0.0, write: self.units() };
        match self {
            Self::Lost { stored, .. } => {
                let answer = WriteAnswer::Lost(stored.map(items::ledger::read_head).transpose()?);
                Ok(Metered { answer, units })
            }
            Self::Unknown(reason) => Ok(Metered { answer: WriteAnswer::Unknown(reason), units }),
            Self::Unavailable(unavailable) => Err(unavailable),
        }
    }

    /// The write units that the failed write consumed; 0 if they are unknown.
    pub(super) fn units(&self) -> f64 {
        match self {
            Self::Lost { stored, factor } => {
                factor * stored.as_ref().map_or(1.0, items::write_units)
            }
            Self::Unknown(_) | Self::Unavailable(_) => 0.0,
        }
    }
}

/// Puts a head with a client without retries. Returns the consumed write units.
pub(super) async fn put_head(
    client: &Client,
    ItemKey { table, pk }: &ItemKey,
    write: &LedgerWrite,
) -> Result<f64, Unwritten> {
    let (condition, values) = condition(write.expected);
    let sent = client
        .put_item()
        .table_name(table)
        .set_item(Some(items::ledger::head_item(pk, write)))
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

/// Puts a page unless a page with its key exists. Works with a client that retries, because an existing page
/// counts as success. Returns the consumed write units.
pub(super) async fn seal(
    client: &Client,
    item_key: &ItemKey,
    page: &PageWrite,
) -> Result<f64, Unavailable> {
    let sent = client
        .put_item()
        .table_name(&item_key.table)
        .set_item(Some(items::ledger::page_item(&item_key.pk, page)))
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

/// The write units of a page that already exists.
pub(super) fn page_units(item_key: &ItemKey, page: &PageWrite) -> f64 {
    items::write_units(&items::ledger::page_item(&item_key.pk, page))
}

/// Puts a head and pages in one transaction, with a client without retries. Returns the consumed write units.
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
        Ok(answer) => Ok(total(answer.consumed_capacity())),
        Err(error) => Err(transaction_failed(&error)),
    }
}

/// The puts of a transaction. The head is first, because [`cancelled`] expects its reason first. The pages
/// have conditions as well, because a query may return a head before the pages of its transaction are
/// visible.
fn puts(
    ItemKey { table, pk }: &ItemKey,
    write: &LedgerWrite,
) -> Result<Vec<TransactWriteItem>, BuildError> {
    let (unchanged, values) = condition(write.expected);
    let head = Put::builder()
        .table_name(table)
        .set_item(Some(items::ledger::head_item(pk, write)))
        .condition_expression(unchanged)
        .set_expression_attribute_values(values)
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .build()?;
    let mut puts = vec![TransactWriteItem::builder().put(head).build()];
    for page in &write.pages {
        let (unchanged, values) = condition(page.replaces);
        let put = Put::builder()
            .table_name(table)
            .set_item(Some(items::ledger::page_item(pk, page)))
            .condition_expression(unchanged)
            .set_expression_attribute_values(values)
            .build()?;
        puts.push(TransactWriteItem::builder().put(put).build());
    }
    Ok(puts)
}

/// The condition that this version is stored; `None`: that no item is stored. Returns the expression and its
/// values.
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

fn transaction_failed(error: &SdkError<TransactWriteItemsError>) -> Unwritten {
    match cancellation_reasons(error) {
        Some(reasons) => cancelled("writing head and pages", Dependency::LedgerTable, reasons),
        None => unwritten(error).unwrap_or(Unwritten::Unknown(Reason::Contention)),
    }
}

/// The reasons of a cancelled transaction: one for each item, in order, with the code `None` for items that did
/// not fail. `None`: the call failed in another way.
pub(super) fn cancellation_reasons<R>(
    error: &SdkError<TransactWriteItemsError, R>,
) -> Option<Vec<CancellationReason>> {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
        error.as_service_error()
    else {
        return None;
    };
    Some(cancelled.cancellation_reasons.clone().unwrap_or_default())
}

/// Classifies a cancelled transaction. The first item decides who writes. The failed condition of another item
/// does not show whether the first item has changed.
pub(super) fn cancelled(
    operation: &str,
    dependency: Dependency,
    reasons: Vec<CancellationReason>,
) -> Unwritten {
    let refused = reasons.iter().find_map(|reason| match failure(reason)? {
        failure @ (Failure::Refused | Failure::Invalid) => Some((failure, reason)),
        _ => None,
    });
    if let Some((failure, reason)) = refused {
        let said = Said(reason.message().unwrap_or("nothing"));
        let message = format!("{operation} was rejected: said=`{said}`");
        return Unwritten::Unavailable(Unavailable::new(failure.reason(), message).of(dependency));
    }
    let reason = reasons.iter().find_map(failure).map_or(Reason::Unreachable, Failure::reason);
    match reasons.into_iter().next() {
        Some(first) if failure(&first) == Some(Failure::Condition) => {
            Unwritten::Lost { stored: first.item, factor: TRANSACTION }
        }
        _ => Unwritten::Unknown(reason),
    }
}

fn failure(reason: &CancellationReason) -> Option<Failure> {
    let failure = Failure::of_code(reason.code().filter(|code| *code != "None")?);
    let of_one_key = reason.message().is_some_and(names_one_key);
    Some(if failure == Failure::Throttled && of_one_key { Failure::HotKey } else { failure })
}

/// Classifies the failure of a write. `None`: its condition failed.
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
    Unavailable::new(Reason::Bug, "incomplete request for a head and pages")
}
