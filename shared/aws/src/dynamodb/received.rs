//! Alerts that other systems posted, in the table of outputs.

use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use drover_core::base::cost::{Metered, Units};
use drover_core::base::error::Unavailable;
use drover_core::base::scope::TenantScope;
use drover_core::outputs::received::{ReceivedAlert, ReceivedList, ReceivedPage};
use drover_core::ports::ReceivedAlerts;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::capacity::counted;
use super::items::received as shapes;
use crate::Aws;
use crate::calls::unavailable;

/// Alerts that are put at once.
const AT_ONCE: usize = 16;

impl ReceivedAlerts for Aws {
    async fn put_received(
        &self,
        tenant: &TenantScope,
        alerts: &[ReceivedAlert],
    ) -> Result<Units, Unavailable> {
        let table = &self.outputs()?;
        let puts = alerts.iter().map(|alert| {
            let item = shapes::received_item(tenant, alert);
            async move { table.put("writing a received alert", item).await }
        });
        let puts: Vec<_> = puts.collect();
        let paid: Vec<Units> = stream::iter(puts).buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(paid.into_iter().sum())
    }

    async fn list_received(
        &self,
        tenant: &TenantScope,
        page: &ReceivedPage,
    ) -> Result<Metered<ReceivedList>, Unavailable> {
        let table = self.outputs()?;
        let answer = self
            .dynamodb
            .query()
            .table_name(table.name)
            .key_condition_expression("pk = :pk AND sk < :below")
            .set_expression_attribute_values(Some(shapes::listed(tenant, page)))
            .scan_index_forward(false)
            .limit(i32::try_from(page.limit).unwrap_or(i32::MAX))
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| unavailable("listing received alerts", &error).of(table.dependency))?;
        let units = Units { read: counted(answer.consumed_capacity.as_ref()), write: 0.0 };
        let next = answer.last_evaluated_key.as_ref().and_then(shapes::sort_key);
        let items = answer.items.unwrap_or_default();
        let alerts = items.iter().map(shapes::read_received).collect::<Result<_, _>>()?;
        Ok(Metered { answer: ReceivedList { alerts, next }, units })
    }
}
