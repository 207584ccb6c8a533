//! Reads and conditional writes of single items.
//!
//! The SDK may retry a conditional write that was already applied. So a failed condition returns the stored
//! item: a caller whose value is stored has written it.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure};
use drover_core::base::cost::{Metered, Units};
use drover_core::base::dependency::Dependency;
use drover_core::base::error::Unavailable;

use super::capacity::counted;
use super::items::{self, Item};
use crate::calls::unavailable;

/// A table whose items are read and written one by one.
pub(super) struct Table<'a> {
    pub(super) client: &'a Client,
    pub(super) name: &'a str,
    /// The table in errors.
    pub(super) dependency: Dependency,
}

/// A condition and its values.
pub(super) type Condition = (&'static str, Option<Item>);

/// The result of a conditional write.
#[derive(Debug, PartialEq)]
pub(super) enum Changed {
    Done,
    /// The condition failed. The stored item; `None`: there is none.
    Lost(Option<Item>),
}

impl Changed {
    /// Whether the expected value is stored.
    pub(super) fn stored<T: PartialEq>(
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

impl Table<'_> {
    /// Reads an item, strongly consistent.
    pub(super) async fn get(
        &self,
        operation: &str,
        key: Item,
    ) -> Result<Metered<Option<Item>>, Unavailable> {
        let answer = self
            .client
            .get_item()
            .table_name(self.name)
            .set_key(Some(key))
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| unavailable(operation, &error).of(self.dependency))?;
        let units = Units { read: counted(answer.consumed_capacity.as_ref()), write: 0.0 };
        Ok(Metered { answer: answer.item, units })
    }

    /// Puts an item, whether or not there is one with its key.
    pub(super) async fn put(&self, operation: &str, item: Item) -> Result<Units, Unavailable> {
        let sent = self
            .client
            .put_item()
            .table_name(self.name)
            .set_item(Some(item))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        let answer = sent.map_err(|error| unavailable(operation, &error).of(self.dependency))?;
        Ok(written(counted(answer.consumed_capacity.as_ref())))
    }

    /// Puts an item under a condition.
    pub(super) async fn put_if(
        &self,
        operation: &str,
        item: Item,
        (condition, values): Condition,
    ) -> Result<Metered<Changed>, Unavailable> {
        let sent = self
            .client
            .put_item()
            .table_name(self.name)
            .set_item(Some(item))
            .condition_expression(condition)
            .set_expression_attribute_values(values)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        match sent {
            Ok(answer) => Ok(done(counted(answer.consumed_capacity.as_ref()))),
            Err(error) => unput(&error)
                .map(lost)
                .ok_or_else(|| unavailable(operation, &error).of(self.dependency)),
        }
    }

    /// Deletes an item, if it exists.
    pub(super) async fn delete(&self, operation: &str, key: Item) -> Result<Units, Unavailable> {
        let sent = self
            .client
            .delete_item()
            .table_name(self.name)
            .set_key(Some(key))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        let answer = sent.map_err(|error| unavailable(operation, &error).of(self.dependency))?;
        Ok(written(counted(answer.consumed_capacity.as_ref())))
    }

    /// Deletes an item under a condition.
    pub(super) async fn delete_if(
        &self,
        operation: &str,
        key: Item,
        (condition, values): Condition,
    ) -> Result<Metered<Changed>, Unavailable> {
        let sent = self
            .client
            .delete_item()
            .table_name(self.name)
            .set_key(Some(key))
            .condition_expression(condition)
            .set_expression_attribute_values(values)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        match sent {
            Ok(answer) => Ok(done(counted(answer.consumed_capacity.as_ref()))),
            Err(error) => undeleted(&error)
                .map(lost)
                .ok_or_else(|| unavailable(operation, &error).of(self.dependency)),
        }
    }
}

const fn written(write: f64) -> Units {
    Units { read: 0.0, write }
}

const fn done(write: f64) -> Metered<Changed> {
    Metered { answer: Changed::Done, units: written(write) }
}

fn lost(stored: Option<Item>) -> Metered<Changed> {
    let units = written(stored.as_ref().map_or(1.0, items::write_units));
    Metered { answer: Changed::Lost(stored), units }
}

/// The stored item of a failed condition. `None`: the put failed for another reason.
fn unput<R>(error: &SdkError<PutItemError, R>) -> Option<Option<Item>> {
    let Some(PutItemError::ConditionalCheckFailedException(failed)) = error.as_service_error()
    else {
        return None;
    };
    Some(failed.item().cloned())
}

/// The stored item of a failed condition. `None`: the deletion failed for another reason.
fn undeleted<R>(error: &SdkError<DeleteItemError, R>) -> Option<Option<Item>> {
    let Some(DeleteItemError::ConditionalCheckFailedException(failed)) = error.as_service_error()
    else {
        return None;
    };
    Some(failed.item().cloned())
}
