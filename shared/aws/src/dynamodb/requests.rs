//! Claims of idempotency keys: one conditional put for each claim. If the SDK retries a put that was already
//! applied, the put finds its own claim, which has the same content.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use drover_core::base::dependency::Dependency;
use drover_core::base::error::{Reason, Unavailable};
use drover_core::intake::request::{Claim, Claimed, Made};
use drover_core::ports::Requests;

use super::items;
use crate::Aws;
use crate::calls::unavailable;

/// `r` is the time of receipt of the stored claim, in microseconds since 1970.
const FREE: &str = "attribute_not_exists(pk) OR r <= :stale";

impl Requests for Aws {
    async fn claim(&self, claim: &Claim) -> Result<Claimed, Unavailable> {
        let table = self.config.requests_table.as_deref().ok_or_else(|| {
            Unavailable::new(Reason::Misconfigured, "this deployment has no requests table")
                .of(Dependency::RequestsTable)
        })?;
        let sent = self
            .dynamodb
            .put_item()
            .table_name(table)
            .set_item(Some(items::requests::claim_item(claim)))
            .condition_expression(FREE)
            .expression_attribute_values(":stale", items::number(claim.stale().micros()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match sent {
            Ok(_) => Ok(Claimed::First),
            Err(error) => match before(&error) {
                Some(made) => made.map(Claimed::Before),
                None => {
                    Err(unavailable("claiming a request", &error).of(Dependency::RequestsTable))
                }
            },
        }
    }
}

/// The stored claim, if the condition failed.
fn before<R>(error: &SdkError<PutItemError, R>) -> Option<Result<Made, Unavailable>> {
    let Some(PutItemError::ConditionalCheckFailedException(failed)) = error.as_service_error()
    else {
        return None;
    };
    failed.item().cloned().map(items::requests::read_claim)
}
