//! Heads and pages of many subjects, written by one request: each by a statement with a condition of
//! its own, at the price of a single put.
//!
//! One answer settles what it can. The rest is put alone: what was refused, what shows no item though its
//! condition failed, the second write of one item. So what is wrong with one is no other's fault, and a
//! role or a service that knows no statements costs speed and no more. A request without an answer leaves all
//! of its writes unknown.

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

/// Of one request.
pub(super) const MOST: usize = 25;

/// Bytes of a head that is put alone, so that a request stays below a megabyte. Pages are smaller.
pub(super) const LARGE: usize = 32 * 1024;

/// One write.
#[derive(Debug)]
pub(crate) struct Put {
    /// Partition key and sort key: all writes of a request are in one table.
    key: (String, Vec<u8>),
    statement: String,
    values: Vec<AttributeValue>,
    /// What it costs alone, leaving out what the index takes.
    units: f64,
}

/// What became of it.
#[derive(Debug)]
pub(crate) enum PutOutcome {
    /// It is written, for so many write units.
    Written(f64),
    /// Another version is there: this item.
    Lost(Item),
    /// Something is there that the service does not show.
    Exists,
    /// It may have been written.
    Unknown(Reason),
}

impl Put {
    /// A head, under [`write::condition`]. It leaves what a put would leave, because a head has the same
    /// attributes all its life.
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
        let (sk, values) = items::head_values(pk, write);
        let units = items::head_units(pk, write);
        Self { key: (pk.clone(), sk), statement, values, units }
    }

    /// A page, if there is none of its key.
    pub(super) fn page(item_key: &ItemKey, page: &PageWrite) -> Self {
        let ItemKey { table, pk } = item_key;
        let statement =
            format!(r#"INSERT INTO "{table}" VALUE {{'v': ?, 'd': ?, 'x': ?, 'pk': ?, 'sk': ?}}"#);
        let (sk, values) = items::page_values(pk, page);
        let units = items::write_units(&items::page_item(pk, page));
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

/// Puts all of them, with a client that does not try again. `None`: that one was not put, and has to
/// be alone.
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
                tracing::warn!(%unavailable, causes = unavailable.causes(), "each head and page is put alone");
                Vec::new()
            }
            _ => Vec::new(),
        },
    }
}

/// DynamoDB answers in order, and counts the request: with the statements whose conditions failed, which
/// are taken for what is stored there, as far as it shows. The others share the rest by their sizes, and so
/// what the index took as well.
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

/// A statement without an answer may have been done.
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
            tracing::warn!(code, "a statement was refused, and is put alone");
            None
        }
        (_, Failure::Throttled | Failure::HotKey | Failure::Conflict | Failure::Unknown, _) => {
            Some(PutOutcome::Unknown(failure.reason()))
        }
    }
}

/// `None`: the service counted nothing, as DynamoDB Local does for statements, and as DynamoDB does
/// where none of them wrote.
fn sum(capacity: &[ConsumedCapacity]) -> Option<f64> {
    capacity.iter().map(|one| counted(Some(one))).reduce(|sum, one| sum + one)
}
