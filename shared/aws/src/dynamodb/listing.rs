//! Reads the listing index. DynamoDB updates the index after the table, and an index supports eventually
//! consistent reads only: a subject may appear, or move, shortly after its commit.

use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use drover_core::base::cost::{Metered, Units};
use drover_core::base::dependency::Dependency;
use drover_core::base::error::Unavailable;
use drover_core::ledger::shard::Shard;
use drover_core::ports::Listing;

use super::capacity::counted;
use super::items;
use crate::Aws;
use crate::calls::unavailable;
use crate::tables::ACTIVITY_INDEX;

impl Listing for Aws {
    async fn hours(
        &self,
        shard: &Shard,
        below: Option<&str>,
        limit: usize,
    ) -> Result<Metered<Vec<String>>, Unavailable> {
        let condition = if below.is_some() { "a = :a AND h < :h" } else { "a = :a" };
        let answer = self
            .dynamodb
            .query()
            .table_name(shard.table().unwrap_or(&self.config.ledger_table).as_ref())
            .index_name(ACTIVITY_INDEX)
            .key_condition_expression(condition)
            .set_expression_attribute_values(Some(items::ledger::listed_before(shard.key(), below)))
            .scan_index_forward(false)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| {
                unavailable("reading a listing", &error).of(Dependency::LedgerTable)
            })?;
        let units = Units { read: counted(answer.consumed_capacity.as_ref()), write: 0.0 };
        let hours = answer.items.unwrap_or_default().into_iter().map(items::ledger::read_hour);
        Ok(Metered { answer: hours.collect::<Result<_, _>>()?, units })
    }
}
