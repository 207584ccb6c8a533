//! Timers in memory, stored as texts like in DynamoDB.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::letters::{read, write};
use super::{Memory, State};
use crate::base::cost::{Metered, Units};
use crate::base::error::Unavailable;
use crate::outputs::timers::sweeping::SweepState;
use crate::outputs::timers::{Entries, Minute, Partition, Replaced, Timer, TimerKey};
use crate::ports::Timers;

/// The size of an entry or an armed minute without the texts of its subject, in bytes.
const FIXED_BYTES: usize = 80;

/// The items of the table of outputs.
#[derive(Clone, Debug, Default)]
pub struct Outputs {
    /// Entries of timers, by partition key and sort key.
    pub entries: BTreeMap<(String, String), StoredEntry>,
    /// Armed minutes, by kind and subject.
    pub armed: BTreeMap<TimerKey, Minute>,
    /// The state of the sweep.
    pub sweep: Option<SweepState>,
}

/// The attributes of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEntry {
    /// The partition key of the subject.
    pub subject: String,
    /// [`Timer::failures`].
    pub failures: u32,
}

fn size(key: &TimerKey) -> usize {
    FIXED_BYTES + key.subject.partition_key().len()
}

fn place(timer: &Timer) -> (String, String) {
    (timer.partition().key(), timer.key.sort_key())
}

impl Timers for Memory {
    async fn put_entry(&self, timer: &Timer) -> Result<Units, Unavailable> {
        let put = |state: &mut State| {
            let subject = timer.key.subject.partition_key();
            let entry = StoredEntry { subject, failures: timer.failures };
            state.outputs.entries.insert(place(timer), entry);
            ((), write(size(&timer.key)))
        };
        Ok(self.call(put).await.units)
    }

    async fn delete_entry(&self, timer: &Timer) -> Result<Units, Unavailable> {
        let delete = |state: &mut State| {
            state.outputs.entries.remove(&place(timer));
            ((), write(size(&timer.key)))
        };
        Ok(self.call(delete).await.units)
    }

    async fn entries(
        &self,
        partition: Partition,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Metered<Entries>, Unavailable> {
        let list = |state: &mut State| {
            let pk = partition.key();
            let after = (pk.clone(), after.unwrap_or_default().to_owned());
            let found = state.outputs.entries.range((Bound::Excluded(after), Bound::Unbounded));
            let found = found.take_while(|((mine, _), _)| *mine == pk).take(limit);
            let (mut entries, mut bytes, mut last) = (Entries::default(), 0, None);
            for ((_, sort_key), StoredEntry { subject, failures }) in found {
                bytes += FIXED_BYTES + subject.len();
                match Timer::read(partition.minute, sort_key, subject, *failures) {
                    Some(timer) => entries.timers.push(timer),
                    None => entries.unreadable += 1,
                }
                last = Some(sort_key.clone());
            }
            let is_full = entries.timers.len() as u64 + entries.unreadable >= limit as u64;
            entries.next = last.filter(|_| is_full);
            (entries, read(bytes))
        };
        Ok(self.call(list).await)
    }

    async fn armed_minute(&self, key: &TimerKey) -> Result<Metered<Option<Minute>>, Unavailable> {
        let get = |state: &mut State| (state.outputs.armed.get(key).copied(), read(size(key)));
        Ok(self.call(get).await)
    }

    async fn replace_armed_minute(
        &self,
        key: &TimerKey,
        expected: Option<Minute>,
        new: Option<Minute>,
    ) -> Result<Metered<Replaced>, Unavailable> {
        let replace = |state: &mut State| {
            let armed = &mut state.outputs.armed;
            let stored = armed.get(key).copied();
            if stored != expected && stored != new {
                return (Replaced::Other(stored), write(size(key)));
            }
            match new {
                Some(minute) => armed.insert(key.clone(), minute),
                None => armed.remove(key),
            };
            (Replaced::Done, write(size(key)))
        };
        Ok(self.call(replace).await)
    }

    async fn sweep_state(&self) -> Result<Metered<Option<SweepState>>, Unavailable> {
        let get = |state: &mut State| (state.outputs.sweep.clone(), read(FIXED_BYTES));
        Ok(self.call(get).await)
    }

    async fn replace_sweep_state(
        &self,
        expected: Option<&SweepState>,
        new: &SweepState,
    ) -> Result<Metered<bool>, Unavailable> {
        let replace = |state: &mut State| {
            let stored = state.outputs.sweep.as_ref();
            let is_done = stored == expected || stored == Some(new);
            if is_done {
                state.outputs.sweep = Some(new.clone());
            }
            (is_done, write(FIXED_BYTES))
        };
        Ok(self.call(replace).await)
    }
}
