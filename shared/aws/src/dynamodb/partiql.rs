//! Writes heads and pages of many subjects in one request. Each write is a statement with its own condition
//! and costs as much as a single put.
//!
//! Some writes must be put alone afterwards: rejected statements, failed conditions without an item in the
//! answer, and second writes of the same item. So a bad statement does not affect the others, and a role or a
//! service that does not support statements only reduces the speed. If a request has no answer, the
//! results of all its writes are unknown.

use std::collections::HashSet;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{
    AttributeValue, BatchStatementRequest, BatchStatementResponse, ConsumedCapacity,
    ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure,
};
use drover_core::base::error::Reason;
use drover_core::ledger::{LedgerWrite, PageWrite};

use super::capacity::counted;
use super::heads::ItemKey;
use super::items::{self, Item};
use super::write::{self, Unwritten};
use crate::calls::Failure;

/// Maximum number of statements in one request.
pub(super) const MOST: usize = 25;

/// Maximum size of a head in a batch, in bytes, so that a request stays below 1 MB. Larger heads are put
/// alone. Pages are always smaller.
pub(super) const LARGE: usize = 32 * 1024;

/// One write.
#[derive(Debug)]
pub(crate) struct Put {
    /// Partition key and sort key. All writes of a request go to the same table.
    key: (String, Vec<u8>),
    statement: String,
    values: Vec<AttributeValue>,
    /// The write units of the write alone, without those of the index.
    units: f64,
}

/// The outcome of one write.
#[derive(Debug)]
pub(crate) enum PutOutcome {
    /// The item was written. The consumed write units.
    Written(f64),
    /// Another version is stored: this item.
    Lost(Item),
    /// An item with this key exists, but the answer does not contain it.
    Exists,
    /// The item may have been written.
    Unknown(Reason),
}

impl Put {
    /// A head under [`write::condition`]. The update has the same result as a put, because every version of a
    /// head has the same attributes.
    pub(super) fn head(item_key: &ItemKey, write: &LedgerWrite) -> Self {
        let ItemKey { table, pk } = item_key;
        let statement = match write.expected {
            None => format!(
                r#"INSERT INTO "{table}" VALUE {{'v': ?, 'd': ?, 'a': ?, 'h': ?, 'pk': ?, 'sk': ?}}"#
            ),
            Some(_) => format!(
                r#"UPDATE "{table}" SET "v" = ? SET "d" = ? SET "a" = ? SET "h" = ? WHERE "pk" = ? AND "sk" = ? AND "v" = ?"#
            ),
        };
        let (sk, values) = items::ledger::head_values(pk, write);
        let units = items::ledger::head_units(pk, write);
        Self { key: (pk.clone(), sk), statement, values, units }
    }

    /// A page, unless a page with its key exists.
    pub(super) fn page(item_key: &ItemKey, page: &PageWrite) -> Self {
        let ItemKey { table, pk } = item_key;
        let statement =
            format!(r#"INSERT INTO "{table}" VALUE {{'v': ?, 'd': ?, 'x': ?, 'pk': ?, 'sk': ?}}"#);
        let (sk, values) = items::ledger::page_values(pk, page);
        let units = items::write_units(&items::ledger::page_item(pk, page));
        Self { key: (pk.clone(), sk), statement, values, units }
    }

    fn into_request(self) -> Result<BatchStatementRequest, BuildError> {
        BatchStatementRequest::builder()
            .statement(self.statement)
            .set_parameters(Some(self.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
    }
}

/// Sends all writes, with a client without retries. `None`: the write was not applied, and the caller must
/// put it alone.
pub(super) async fn put(client: Client, puts: Vec<Put>) -> Vec<Option<PutOutcome>> {
    let mut outcomes: Vec<Option<PutOutcome>> = puts.iter().map(|_| None).collect();
    if puts.len() == 1 {
        return outcomes;
    }
    let mut keys = HashSet::new();
    let once: Vec<bool> = puts.iter().map(|put| keys.insert(&put.key)).collect();
    let puts: Vec<Put> =
        puts.into_iter().zip(&once).filter(|(_, once)| **once).map(|(put, _)| put).collect();
    let free = outcomes.iter_mut().zip(once).filter(|(_, once)| *once).map(|(outcome, _)| outcome);
    for (outcome, settled) in free.zip(execute(&client, puts).await) {
        *outcome = settled;
    }
    outcomes
}

async fn execute(client: &Client, puts: Vec<Put>) -> Vec<Option<PutOutcome>> {
    let units: Vec<f64> = puts.iter().map(|put| put.units).collect();
    let statements = puts.into_iter().map(Put::into_request);
    let Ok(statements) = statements.collect::<Result<_, BuildError>>() else { return Vec::new() };
    let sent = client
        .batch_execute_statement()
        .set_statements(Some(statements))
        .return_consumed_capacity(ReturnConsumedCapacity::Total)
        .send()
        .await;
    match sent {
        Ok(answer) => {
            let counted = sum(answer.consumed_capacity());
            executed(answer.responses.unwrap_or_default(), &units, counted)
        }
        Err(error) => match write::unwritten(&error) {
            Some(Unwritten::Unknown(reason)) => {
                units.iter().map(|_| Some(PutOutcome::Unknown(reason))).collect()
            }
            Some(Unwritten::Unavailable(unavailable)) => {
                tracing::warn!(%unavailable, causes = unavailable.causes(), "batch write failed, putting each head and page alone");
                Vec::new()
            }
            _ => Vec::new(),
        },
    }
}

/// Reads the responses, which are in the order of the statements, and splits the consumed capacity.
///
/// DynamoDB counts the capacity of the whole request, including failed conditions. A failed condition counts
/// by the size of the stored item, if the answer contains it. The written items share the rest, including
/// the units of the index, by their sizes.
fn executed(
    responses: Vec<BatchStatementResponse>,
    units: &[f64],
    counted: Option<f64>,
) -> Vec<Option<PutOutcome>> {
    let responses = responses.into_iter().map(Some).chain(std::iter::repeat_with(|| None));
    let mut outcomes: Vec<_> =
        units.iter().zip(responses).map(|(units, one)| outcome(one, *units)).collect();
    let written = outcomes.iter().flatten().map(PutOutcome::written).sum::<f64>();
    let lost = outcomes.iter().zip(units).map(|(outcome, units)| match outcome {
        Some(PutOutcome::Lost(item)) => items::write_units(item),
        Some(PutOutcome::Exists) => *units,
        _ => 0.0,
    });
    let rest = counted.map_or(written, |counted| (counted - lost.sum::<f64>()).max(0.0));
    for outcome in outcomes.iter_mut().flatten() {
        if let PutOutcome::Written(units) = outcome {
            *units *= rest / written;
        }
    }
    outcomes
}

impl PutOutcome {
    fn written(&self) -> f64 {
        if let Self::Written(units) = self { *units } else { 0.0 }
    }
}

/// Reads one response. A statement without a response may have been applied.
fn outcome(response: Option<BatchStatementResponse>, units: f64) -> Option<PutOutcome> {
    let Some(response) = response else { return Some(PutOutcome::Unknown(Reason::Unreachable)) };
    let Some(error) = response.error else { return Some(PutOutcome::Written(units)) };
    let code = error.code.as_ref().map_or("", |code| code.as_str());
    let failure = Failure::of_code(code);
    match (code, failure, error.item.filter(|item| !item.is_empty())) {
        (_, Failure::Condition, Some(item)) => Some(PutOutcome::Lost(item)),
        ("DuplicateItem", _, _) => Some(PutOutcome::Exists),
        (_, Failure::Condition | Failure::NotSent, _) => None,
        (_, Failure::Refused | Failure::Invalid, _) => {
            tracing::warn!(code, "statement rejected, putting its item alone");
            None
        }
        (_, Failure::Throttled | Failure::HotKey | Failure::Conflict | Failure::Unknown, _) => {
            Some(PutOutcome::Unknown(failure.reason()))
        }
    }
}

/// The total of the consumed units. `None`: the answer contains no capacity. This is so for statements on
/// DynamoDB Local, and on DynamoDB if no statement wrote an item.
fn sum(capacity: &[ConsumedCapacity]) -> Option<f64> {
    capacity.iter().map(|one| counted(Some(one))).reduce(|sum, one| sum + one)
}
