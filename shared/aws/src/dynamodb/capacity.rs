//! What DynamoDB counted for a call.

use aws_sdk_dynamodb::types::ConsumedCapacity;

/// Its units; none where nothing was counted.
pub(super) fn counted(capacity: Option<&ConsumedCapacity>) -> f64 {
    capacity.and_then(ConsumedCapacity::capacity_units).unwrap_or(0.0)
}
