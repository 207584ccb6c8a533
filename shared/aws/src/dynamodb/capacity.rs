//! The consumed capacity of a call.

use aws_sdk_dynamodb::types::ConsumedCapacity;

/// The consumed units; 0 if the answer contains no capacity.
pub(super) fn counted(capacity: Option<&ConsumedCapacity>) -> f64 {
    capacity.and_then(ConsumedCapacity::capacity_units).unwrap_or(0.0)
}

/// The consumed units of a call with several tables; 0 if the answer contains no capacity.
pub(super) fn total(tables: &[ConsumedCapacity]) -> f64 {
    tables.iter().map(|table| counted(Some(table))).sum()
}
