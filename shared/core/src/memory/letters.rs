//! Letters, runs, leases and rereads in memory.

use std::collections::BTreeMap;

use super::ledger::{READ_UNIT, WRITE_UNIT, units_of};
use super::{Memory, State};
use crate::base::cost::{Metered, Units};
use crate::base::error::Unavailable;
use crate::base::time::Timestamp;
use crate::dead_letter::envelope::Chunk;
use crate::dead_letter::letter::{
    Lease, Letter, LetterRange, Order, Owner, StoredLetter, StoredRun, Wanted,
};
use crate::dead_letter::object::Object;
use crate::dead_letter::origin::Offsets;
use crate::dead_letter::reread::{Again, BYTES, RECORDS};
use crate::intake::record::{Receipt, Record, Stamps};
use crate::ports::{Letters, Objects, Reread};

/// The items of one owner's partition.
#[derive(Clone, Debug, Default)]
pub struct Drawer {
    /// Letters by id.
    pub letters: BTreeMap<String, StoredLetter>,
    /// Chunks by the letter's id and number.
    pub chunks: BTreeMap<(String, u32), Vec<u8>>,
    /// Runs by id.
    pub runs: BTreeMap<String, StoredRun>,
    /// The current or last lease.
    pub lease: Option<Lease>,
}

/// The records of a partition.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// The records by offset.
    pub records: BTreeMap<i64, Record>,
    /// The lowest offset.
    pub start: i64,
}

impl State {
    fn drawer(&mut self, owner: &Owner) -> &mut Drawer {
        self.filed.entry(owner.partition_key()).or_default()
    }
}

pub(super) fn read(bytes: usize) -> Units {
    Units { read: units_of(bytes, READ_UNIT), write: 0.0 }
}

pub(super) fn write(bytes: usize) -> Units {
    Units { read: 0.0, write: units_of(bytes, WRITE_UNIT) }
}

fn size(letter: &Letter) -> usize {
    serde_json::to_vec(letter).map_or(0, |json| json.len())
}

impl Memory {
    /// Executes one call and adds its cost.
    pub(super) async fn call<T>(&self, act: impl FnOnce(&mut State) -> (T, Units)) -> Metered<T> {
        self.give_way().await;
        let state = &mut *self.state();
        let (answer, units) = act(state);
        state.charge(answer, units)
    }
}

impl Letters for Memory {
    async fn put_chunks(
        &self,
        owner: &Owner,
        id: &str,
        chunks: &[Chunk],
        _expires_at: i64,
    ) -> Result<Units, Unavailable> {
        let put = |state: &mut State| {
            let mut units = Units::default();
            for chunk in chunks {
                units += write(chunk.bytes.len());
                let at = (id.to_owned(), chunk.number);
                state.drawer(owner).chunks.insert(at, chunk.bytes.clone());
            }
            ((), units)
        };
        Ok(self.call(put).await.units)
    }

    async fn put_letter(
        &self,
        owner: &Owner,
        letter: &Letter,
    ) -> Result<Metered<bool>, Unavailable> {
        let put = |state: &mut State| {
            let letters = &mut state.drawer(owner).letters;
            let absent = !letters.contains_key(&letter.id);
            if absent {
                let stored = StoredLetter { letter: letter.clone(), version: 1 };
                letters.insert(letter.id.clone(), stored);
            }
            (absent, write(size(letter)))
        };
        Ok(self.call(put).await)
    }

    async fn replace_letter(
        &self,
        owner: &Owner,
        old: &StoredLetter,
        letter: &Letter,
    ) -> Result<Metered<bool>, Unavailable> {
        let replace = |state: &mut State| {
            let next = StoredLetter { letter: letter.clone(), version: old.version + 1 };
            let letters = &mut state.drawer(owner).letters;
            let stored = letters.get(&letter.id);
            let done = stored == Some(&next);
            let ours = stored.is_some_and(|stored| stored.version == old.version);
            if ours {
                letters.insert(letter.id.clone(), next);
            }
            (ours || done, write(size(letter)))
        };
        Ok(self.call(replace).await)
    }

    async fn letter(
        &self,
        owner: &Owner,
        id: &str,
    ) -> Result<Metered<Option<StoredLetter>>, Unavailable> {
        let get = |state: &mut State| {
            let found = state.drawer(owner).letters.get(id).cloned();
            let units = read(found.as_ref().map_or(0, |found| size(&found.letter)));
            (found, units)
        };
        Ok(self.call(get).await)
    }

    async fn letters(
        &self,
        owner: &Owner,
        range: &LetterRange,
    ) -> Result<Metered<Vec<StoredLetter>>, Unavailable> {
        let list = |state: &mut State| {
            let all = &state.drawer(owner).letters;
            let after = range.after.clone();
            let found: Vec<StoredLetter> = match range.order {
                Order::Rising => {
                    let behind = all.iter().filter(|(id, _)| after.as_ref() < Some(id));
                    behind.take(range.limit).map(|(_, letter)| letter.clone()).collect()
                }
                Order::Falling => {
                    let behind = all.iter().rev();
                    let behind =
                        behind.filter(|(id, _)| after.as_ref().is_none_or(|after| *id < after));
                    behind.take(range.limit).map(|(_, letter)| letter.clone()).collect()
                }
            };
            let bytes = found.iter().map(|found| size(&found.letter)).sum();
            (found, read(bytes))
        };
        Ok(self.call(list).await)
    }

    async fn contents(
        &self,
        owner: &Owner,
        wanted: &[Wanted],
    ) -> Result<Metered<Vec<Option<Vec<u8>>>>, Unavailable> {
        let get = |state: &mut State| {
            let chunks = &state.drawer(owner).chunks;
            let content = |wanted: &Wanted| -> Option<Vec<u8>> {
                let numbers = 1..=wanted.chunks;
                let found = numbers.map(|number| chunks.get(&(wanted.id.clone(), number)).cloned());
                Some(found.collect::<Option<Vec<_>>>()?.concat())
            };
            let found: Vec<Option<Vec<u8>>> = wanted.iter().map(content).collect();
            let bytes = found.iter().flatten().map(Vec::len).sum();
            (found, read(bytes))
        };
        Ok(self.call(get).await)
    }

    async fn run(
        &self,
        owner: &Owner,
        id: &str,
    ) -> Result<Metered<Option<StoredRun>>, Unavailable> {
        let get = |state: &mut State| (state.drawer(owner).runs.get(id).cloned(), read(1));
        Ok(self.call(get).await)
    }

    async fn runs(
        &self,
        owner: &Owner,
        limit: usize,
    ) -> Result<Metered<Vec<StoredRun>>, Unavailable> {
        let list = |state: &mut State| {
            let newest = state.drawer(owner).runs.values().rev().take(limit).cloned();
            (newest.collect(), read(1))
        };
        Ok(self.call(list).await)
    }

    async fn put_run(
        &self,
        owner: &Owner,
        id: &str,
        run: &StoredRun,
        _expires_at: i64,
    ) -> Result<Metered<bool>, Unavailable> {
        let put = |state: &mut State| {
            let runs = &mut state.drawer(owner).runs;
            let stored = runs.get(id);
            let done = stored == Some(run);
            let ours = stored.map_or(0, |stored| stored.version) + 1 == run.version;
            if ours {
                runs.insert(id.to_owned(), run.clone());
            }
            (ours || done, write(run.bytes.len()))
        };
        Ok(self.call(put).await)
    }

    async fn take_lease(
        &self,
        owner: &Owner,
        lease: &Lease,
        now: Timestamp,
    ) -> Result<Metered<Option<Lease>>, Unavailable> {
        let take = |state: &mut State| {
            let held = &mut state.drawer(owner).lease;
            let other = held
                .as_ref()
                .filter(|other| other.token != lease.token && other.until > now)
                .cloned();
            if other.is_none() {
                *held = Some(lease.clone());
            }
            (other, write(1))
        };
        Ok(self.call(take).await)
    }

    async fn lease(&self, owner: &Owner) -> Result<Metered<Option<Lease>>, Unavailable> {
        let get = |state: &mut State| (state.drawer(owner).lease.clone(), read(1));
        Ok(self.call(get).await)
    }

    async fn release_lease(&self, owner: &Owner, token: &str) -> Result<Units, Unavailable> {
        let release = |state: &mut State| {
            let held = &mut state.drawer(owner).lease;
            held.take_if(|held| held.token == token);
            ((), write(1))
        };
        Ok(self.call(release).await.units)
    }
}

impl Reread for Memory {
    async fn reread(
        &self,
        offsets: &Offsets,
        given_up: Receipt,
    ) -> Result<Option<Again>, Unavailable> {
        let get = |state: &mut State| {
            let at = (offsets.topic.clone(), offsets.partition);
            let Held { records, start } = state.topics.get(&at).cloned().unwrap_or_default();
            let end = records.last_key_value().map_or(start, |(last, _)| last + 1);
            let (mut again, mut bytes) = (Vec::new(), 0);
            let mut next = end;
            for (offset, record) in records.range(offsets.first..) {
                let size = record.value.as_ref().map_or(0, Vec::len);
                let full = again.len() == RECORDS || (bytes + size > BYTES && !again.is_empty());
                if full || *offset > offsets.last {
                    next = *offset;
                    break;
                }
                bytes += size;
                let Stamps { received_at, ingested_at } = given_up.stamps(&record.source);
                again.push(Record { received_at, ingested_at, ..record.clone() });
            }
            (Some(Again::of(offsets, start..end, again, next)), Units::default())
        };
        Ok(self.call(get).await.answer)
    }
}

impl Objects for Memory {
    async fn object(&self, bucket: &str, key: &str) -> Result<Object, Unavailable> {
        let get = |state: &mut State| {
            let found = state.objects.get(&(bucket.to_owned(), key.to_owned()));
            (found.map_or(Object::Gone, |bytes| Object::Found(bytes.clone())), Units::default())
        };
        Ok(self.call(get).await.answer)
    }
}
