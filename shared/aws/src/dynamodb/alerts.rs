//! Alerts.
//!
//! A query may see only a part of a transaction of another writer. Two things keep such a reader from writing on
//! top of that transaction:
//!
//! - The reflected commit is read before the alerts. If it is still the old one, the condition of the next write
//!   fails.
//! - If it is the new one already, an alert may still be the old one. So the item that a write replaces under
//!   another key must exist, and one that it replaces under the same key must have the bytes that were read.
//!
//! The SDK may retry a transaction that was already applied. So a write also counts as done if the new reflected
//! commit is stored.
//!
//! DynamoDB updates the indexes after the table. Shortly after an alert has changed its key, a listing may contain
//! both items or neither.

use aws_sdk_dynamodb::error::{BuildError, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    Delete, Put, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use drover_core::base::cost::{Metered, Units};
use drover_core::base::error::{Reason, Unavailable};
use drover_core::base::id::SubjectKey;
use drover_core::base::scope::TenantScope;
use drover_core::base::time::Timestamp;
use drover_core::outputs::alerts::{
    Alert, AlertList, AlertPage, AlertWrite, Reflected, SubjectAlerts,
};
use drover_core::ports::{ALERTS_WRITTEN, Alerts};

use super::capacity::{counted, total};
use super::items::{self, Item, alerts as shapes};
use super::single_items::{Condition, Table};
use super::write::{ABSENT, TRANSACTION, Unwritten, cancellation_reasons, cancelled};
use crate::Aws;
use crate::calls::unavailable;
use crate::tables::{ALERTS_INDEX, OPEN_ALERTS_INDEX};

const WRITING: &str = "writing alerts";
const REFLECTED_IS: &str = "e = :e AND v = :v AND r = :r";
const PRESENT: &str = "attribute_exists(pk)";
const ALERT_IS: &str = "d = :d";
const LISTED: &str = "g = :p AND i BETWEEN :from AND :to";
const LISTED_OPEN: &str = "o = :p AND i BETWEEN :from AND :to";

impl Alerts for Aws {
    async fn alerts(
        &self,
        subject: &SubjectKey,
        closed_from: Timestamp,
    ) -> Result<Metered<SubjectAlerts>, Unavailable> {
        let table = self.outputs()?;
        let values = shapes::alerts_of(subject, closed_from);
        let (mut found, mut units) = (Vec::new(), Units::default());
        let mut next = None;
        loop {
            let answer = self
                .dynamodb
                .query()
                .table_name(table.name)
                .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
                .set_expression_attribute_values(Some(values.clone()))
                .set_exclusive_start_key(next)
                // The reflected commit is last in the order of sort keys.
                .scan_index_forward(false)
                .consistent_read(true)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
                .await
                .map_err(|error| unavailable("reading alerts", &error).of(table.dependency))?;
            units.read += counted(answer.consumed_capacity.as_ref());
            found.extend(answer.items.unwrap_or_default());
            // An answer contains at most 1 MB. Without a key, no more items follow.
            next = answer.last_evaluated_key.filter(|key| !key.is_empty());
            if next.is_none() {
                break;
            }
        }
        let answer = shapes::read_alerts(found.into_iter().rev())?;
        Ok(Metered { answer, units })
    }

    async fn write_alerts(
        &self,
        subject: &SubjectKey,
        expected: Option<Reflected>,
        new: Reflected,
        writes: &[AlertWrite],
        now: Timestamp,
    ) -> Result<Metered<bool>, Unavailable> {
        let table = self.outputs()?;
        let bug = |message| Unavailable::new(Reason::Bug, message).of(table.dependency);
        if writes.len() > ALERTS_WRITTEN {
            return Err(bug("too many alerts in a transaction"));
        }
        let mut actions =
            vec![Action::Reflect(shapes::reflected_item(subject, new, now), expected)];
        actions.extend(writes.iter().flat_map(|write| Action::of(subject, write)));
        let units = actions.iter().map(Action::units).sum();
        let items = actions.into_iter().map(|action| action.request(table.name));
        let items =
            items.collect::<Result<_, _>>().map_err(|_| bug("incomplete request for alerts"))?;
        let sent = self
            .dynamodb
            .transact_write_items()
            .set_transact_items(Some(items))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        let (answer, write) = match sent {
            Ok(answer) => (true, total(answer.consumed_capacity())),
            Err(error) => (stored(&table, &error)? == Some(new), units),
        };
        Ok(Metered { answer, units: Units { read: 0.0, write } })
    }

    async fn list_alerts(
        &self,
        tenant: &TenantScope,
        page: &AlertPage,
    ) -> Result<Metered<AlertList>, Unavailable> {
        let table = self.outputs()?;
        let Some(values) = shapes::listed(tenant, page) else {
            return Ok(Metered { answer: AlertList::default(), units: Units::default() });
        };
        let (index, condition) = match page.only_open {
            true => (OPEN_ALERTS_INDEX, LISTED_OPEN),
            false => (ALERTS_INDEX, LISTED),
        };
        let answer = self
            .dynamodb
            .query()
            .table_name(table.name)
            .index_name(index)
            .key_condition_expression(condition)
            .set_expression_attribute_values(Some(values))
            .scan_index_forward(false)
            .limit(i32::try_from(page.limit).unwrap_or(i32::MAX))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| unavailable("listing alerts", &error).of(table.dependency))?;
        let units = Units { read: counted(answer.consumed_capacity.as_ref()), write: 0.0 };
        let next = answer.last_evaluated_key.as_ref().and_then(shapes::id);
        let mut list = AlertList { next, ..AlertList::default() };
        for item in answer.items.unwrap_or_default() {
            match shapes::read_listed(&item) {
                Some(alert) => list.alerts.push(alert),
                None => list.unreadable += 1,
            }
        }
        Ok(Metered { answer: list, units })
    }
}

/// One item of a transaction.
enum Action {
    /// Puts the reflected commit, if the expected one is stored.
    Reflect(Item, Option<Reflected>),
    /// Puts an alert, if these values of the alert under its key are stored; `None`: another key had it, or none.
    Put(Item, Option<Item>),
    /// Deletes the item with this key, which must exist.
    Delete(Item),
}

impl Action {
    fn of(
        subject: &SubjectKey,
        AlertWrite { old, new }: &AlertWrite,
    ) -> impl Iterator<Item = Self> {
        let key = |alert: &Alert| shapes::alert_key(subject, alert);
        let new_key = new.as_ref().map(key);
        let (kept, moved) = match old {
            Some(old) if Some(key(old)) == new_key => (Some(shapes::alert_values(old)), None),
            old => (None, old.as_ref().map(key)),
        };
        let put = new.as_ref().map(|new| Self::Put(shapes::alert_item(subject, new), kept));
        put.into_iter().chain(moved.map(Self::Delete))
    }

    /// The write units in a transaction that fails. The answer does not contain them.
    fn units(&self) -> f64 {
        TRANSACTION
            * match self {
                Self::Reflect(item, _) | Self::Put(item, _) | Self::Delete(item) => {
                    items::write_units(item)
                }
            }
    }

    fn request(self, table: &str) -> Result<TransactWriteItem, BuildError> {
        let request = TransactWriteItem::builder();
        let request = match self {
            Self::Reflect(item, expected) => {
                let (condition, values): Condition = match expected {
                    None => (ABSENT, None),
                    Some(expected) => (REFLECTED_IS, Some(shapes::reflected_values(expected))),
                };
                let put = Put::builder()
                    .table_name(table)
                    .set_item(Some(item))
                    .condition_expression(condition)
                    .set_expression_attribute_values(values)
                    .return_values_on_condition_check_failure(
                        ReturnValuesOnConditionCheckFailure::AllOld,
                    );
                request.put(put.build()?)
            }
            Self::Put(item, expected) => {
                let put = Put::builder()
                    .table_name(table)
                    .set_item(Some(item))
                    .set_condition_expression(expected.is_some().then(|| ALERT_IS.to_owned()))
                    .set_expression_attribute_values(expected);
                request.put(put.build()?)
            }
            Self::Delete(key) => {
                let delete = Delete::builder().table_name(table).set_key(Some(key));
                request.delete(delete.condition_expression(PRESENT).build()?)
            }
        };
        Ok(request.build())
    }
}

/// The reflected commit that another writer stored; `None`: it is not known.
///
/// # Errors
/// The transaction failed for another reason, or the item is corrupt.
fn stored<R: std::fmt::Debug + 'static>(
    table: &Table<'_>,
    error: &SdkError<TransactWriteItemsError, R>,
) -> Result<Option<Reflected>, Unavailable> {
    let Some(reasons) = cancellation_reasons(error) else {
        return Err(unavailable(WRITING, error).of(table.dependency));
    };
    match cancelled(WRITING, table.dependency, reasons) {
        Unwritten::Lost { stored, .. } => stored.as_ref().map(shapes::read_reflected).transpose(),
        // An alert is not the one that was read, or another transaction is writing it.
        Unwritten::Unknown(Reason::Contention) => Ok(None),
        Unwritten::Unknown(reason) => {
            let message = format!("{WRITING} was cancelled");
            Err(Unavailable::new(reason, message).of(table.dependency))
        }
        Unwritten::Unavailable(unavailable) => Err(unavailable),
    }
}
