//! Timers, and the state of the sweep.
//!
//! The SDK may retry a conditional write that was already applied. So a write also counts as done if the new
//! value is stored: a minute that another caller stored is as good, and a state of the sweep has the token of
//! its writer.

use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use drover_core::base::cost::{Metered, Units};
use drover_core::base::dependency::Dependency;
use drover_core::base::error::{Reason, Unavailable};
use drover_core::outputs::timers::sweeping::SweepState;
use drover_core::outputs::timers::{Entries, Minute, Partition, Replaced, Timer, TimerKey};
use drover_core::ports::Timers;

use super::capacity::counted;
use super::items::timers as shapes;
use super::single_items::{Changed, Condition, Table};
use super::write::ABSENT;
use crate::Aws;
use crate::calls::unavailable;

const MINUTE_IS: &str = "m = :m";
const STATE_IS: &str = "n = :n AND t = :t AND u = :u";

impl Timers for Aws {
    async fn put_entry(&self, timer: &Timer) -> Result<Units, Unavailable> {
        self.outputs()?.put("putting a timer", shapes::entry_item(timer)).await
    }

    async fn delete_entry(&self, timer: &Timer) -> Result<Units, Unavailable> {
        self.outputs()?.delete("deleting a timer", shapes::entry_key(timer)).await
    }

    /// One call: an answer may contain less than the limit, and then says so.
    async fn entries(
        &self,
        partition: Partition,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Metered<Entries>, Unavailable> {
        let table = self.outputs()?;
        let answer = self
            .dynamodb
            .query()
            .table_name(table.name)
            .key_condition_expression("pk = :pk")
            .set_expression_attribute_values(Some(shapes::entries_of(partition)))
            .set_exclusive_start_key(after.map(|after| shapes::entry_after(partition, after)))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| unavailable("reading timers", &error).of(table.dependency))?;
        let units = Units { read: counted(answer.consumed_capacity.as_ref()), write: 0.0 };
        let next = answer.last_evaluated_key.as_ref().and_then(shapes::sort_key);
        let mut entries = Entries { next, ..Entries::default() };
        for item in answer.items.unwrap_or_default() {
            match shapes::read_entry(partition, &item) {
                Some(timer) => entries.timers.push(timer),
                None => entries.unreadable += 1,
            }
        }
        Ok(Metered { answer: entries, units })
    }

    async fn armed_minute(&self, key: &TimerKey) -> Result<Metered<Option<Minute>>, Unavailable> {
        let read = self.outputs()?.get("reading a timer", shapes::armed_key(key)).await?;
        read.try_map(|item| item.map(shapes::read_armed).transpose())
    }

    async fn replace_armed_minute(
        &self,
        key: &TimerKey,
        expected: Option<Minute>,
        new: Option<Minute>,
    ) -> Result<Metered<Replaced>, Unavailable> {
        let table = self.outputs()?;
        let condition: Condition = match expected {
            None => (ABSENT, None),
            Some(minute) => (MINUTE_IS, Some(shapes::armed_values(minute))),
        };
        let changed = match new {
            Some(minute) => {
                let item = shapes::armed_item(key, minute);
                table.put_if("arming a timer", item, condition).await?
            }
            None => table.delete_if("finishing a timer", shapes::armed_key(key), condition).await?,
        };
        changed.try_map(|changed| match changed {
            Changed::Done => Ok(Replaced::Done),
            Changed::Lost(item) => {
                let stored = item.map(shapes::read_armed).transpose()?;
                Ok(if stored == new { Replaced::Done } else { Replaced::Other(stored) })
            }
        })
    }

    async fn sweep_state(&self) -> Result<Metered<Option<SweepState>>, Unavailable> {
        let read = self.outputs()?.get("reading the sweep's state", shapes::sweep_key()).await?;
        read.try_map(|item| item.map(shapes::read_sweep).transpose())
    }

    async fn replace_sweep_state(
        &self,
        expected: Option<&SweepState>,
        new: &SweepState,
    ) -> Result<Metered<bool>, Unavailable> {
        let condition: Condition = match expected {
            None => (ABSENT, None),
            Some(state) => (STATE_IS, Some(shapes::sweep_values(state))),
        };
        let item = shapes::sweep_item(new);
        let put = self.outputs()?.put_if("writing the sweep's state", item, condition).await?;
        put.try_map(|put| put.stored(shapes::read_sweep, new))
    }
}

impl Aws {
    pub(super) fn outputs(&self) -> Result<Table<'_>, Unavailable> {
        let dependency = Dependency::OutputsTable;
        let name = self.config.outputs_table.as_deref().ok_or_else(|| {
            Unavailable::new(Reason::Misconfigured, "this deployment has no outputs table")
                .of(dependency)
        })?;
        Ok(Table { client: &self.dynamodb, name, dependency })
    }
}
