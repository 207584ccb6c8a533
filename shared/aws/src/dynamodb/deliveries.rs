//! The records of deliveries of notifications, in the table of outputs.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure};
use drover_core::base::cost::{Metered, Units};
use drover_core::base::error::Unavailable;
use drover_core::base::scope::TenantScope;
use drover_core::outputs::alerts::AlertId;
use drover_core::outputs::notifications::deliveries::{Deliveries, DeliveriesOf, DeliveryChange};
use drover_core::ports::DeliveryRecords;

use super::capacity::counted;
use super::items::{self, deliveries as shapes};
use crate::Aws;
use crate::calls::unavailable;

const WRITING: &str = "writing a record of a delivery";

impl DeliveryRecords for Aws {
    async fn deliveries(
        &self,
        tenant: &TenantScope,
        of: &DeliveriesOf,
    ) -> Result<Metered<Deliveries>, Unavailable> {
        let key = shapes::deliveries_key(tenant, of);
        let read = self.outputs()?.get("reading records of deliveries", key).await?;
        let answer = read.answer.map(shapes::read_deliveries).transpose()?.unwrap_or_default();
        Ok(Metered { answer, units: read.units })
    }

    async fn replace_delivery(
        &self,
        tenant: &TenantScope,
        of: &DeliveriesOf,
        change: DeliveryChange<'_>,
    ) -> Result<Metered<bool>, Unavailable> {
        let table = self.outputs()?;
        let condition = match change.expected {
            Some(_) => "#t = :old",
            None => "attribute_not_exists(#t)",
        };
        let target = shapes::attribute(change.target);
        let sent = self
            .dynamodb
            .update_item()
            .table_name(table.name)
            .set_key(Some(shapes::deliveries_key(tenant, of)))
            .update_expression("SET #t = :new, x = :x")
            .condition_expression(condition)
            .set_expression_attribute_names(Some(HashMap::from([("#t".to_owned(), target)])))
            .set_expression_attribute_values(Some(shapes::changed(change)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        let written = |write| Units { read: 0.0, write };
        let error = match sent {
            Ok(answer) => {
                let units = written(counted(answer.consumed_capacity.as_ref()));
                return Ok(Metered { answer: true, units });
            }
            Err(error) => error,
        };
        match error.as_service_error() {
            // The SDK may retry a write that was applied.
            Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                let stored = failed.item().cloned().unwrap_or_default();
                let units = written(items::write_units(&stored));
                let stored = shapes::read_deliveries(stored)?;
                let stored = stored.by_target.get(change.target).map(String::as_str);
                Ok(Metered { answer: stored == Some(change.new), units })
            }
            _ => Err(unavailable(WRITING, &error).of(table.dependency)),
        }
    }

    async fn put_simulated(
        &self,
        tenant: &TenantScope,
        id: &AlertId,
        json: &str,
        expires_at: i64,
    ) -> Result<Units, Unavailable> {
        let item = shapes::simulated_item(tenant, id, json, expires_at);
        self.outputs()?.put("writing a simulated alert", item).await
    }
}
