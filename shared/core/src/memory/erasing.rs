//! Deletions from the ledger and the letters in memory.

use super::ledger::place;
use super::{Memory, State};
use crate::base::error::Unavailable;
use crate::dead_letter::letter::{FiledChunk, Owner};
use crate::ledger::StoredHead;
use crate::ports::{Eraser, LetterEraser, SubjectLocation};

/// Maximum number of pages that one call deletes: few, so that tests need several calls.
const PAGES: usize = 3;
/// Maximum number of chunks in one answer: few, so that tests need several calls.
const CHUNKS: usize = 3;

impl Eraser for Memory {
    async fn replace_unlisted(
        &self,
        location: &SubjectLocation,
        head: &StoredHead,
    ) -> Result<bool, Unavailable> {
        self.give_way().await;
        let state = &mut *self.state();
        let place = place(location);
        let stored = state.heads.get_mut(&place);
        let Some(stored) = stored.filter(|stored| stored.version + 1 == head.version) else {
            return Ok(false);
        };
        *stored = head.clone();
        if let Some(writes) = &mut state.head_writes {
            writes.push((place.clone(), head.clone()));
        }
        state.activity.remove(&place);
        Ok(true)
    }

    async fn delete_pages(
        &self,
        location: &SubjectLocation,
        up_to: &[u8],
    ) -> Result<usize, Unavailable> {
        self.give_way().await;
        let state = &mut *self.state();
        let place = place(location);
        let mine = state.pages.range((place.clone(), Vec::new())..=(place, up_to.to_vec()));
        let keys: Vec<_> = mine.map(|(key, _)| key.clone()).take(PAGES).collect();
        for key in &keys {
            state.pages.remove(key);
        }
        Ok(keys.len())
    }
}

impl Memory {
    async fn erase<T>(&self, act: impl FnOnce(&mut State) -> T) -> Result<T, Unavailable> {
        self.give_way().await;
        Ok(act(&mut self.state()))
    }
}

impl LetterEraser for Memory {
    async fn chunks_behind(
        &self,
        owner: &Owner,
        last: Option<(&str, u32)>,
    ) -> Result<Vec<FiledChunk>, Unavailable> {
        self.erase(|state| {
            let last = last.map(|(id, number)| (id.to_owned(), number));
            let Some(drawer) = state.filed.get(&owner.partition_key()) else { return Vec::new() };
            let behind = drawer.chunks.iter().filter(|(at, _)| last.as_ref() < Some(at));
            let chunk = |((id, number), bytes): (&(String, u32), &Vec<u8>)| FiledChunk {
                id: id.clone(),
                number: *number,
                bytes: bytes.clone(),
            };
            behind.take(CHUNKS).map(chunk).collect()
        })
        .await
    }

    async fn delete_letter(&self, owner: &Owner, id: &str) -> Result<(), Unavailable> {
        self.erase(|state| {
            let drawer = state.filed.get_mut(&owner.partition_key());
            drawer.map(|drawer| drawer.letters.remove(id));
        })
        .await
    }

    async fn delete_chunks(
        &self,
        owner: &Owner,
        id: &str,
        numbers: &[u32],
    ) -> Result<(), Unavailable> {
        self.erase(|state| {
            if let Some(drawer) = state.filed.get_mut(&owner.partition_key()) {
                drawer.chunks.retain(|(of, number), _| of != id || !numbers.contains(number));
            }
        })
        .await
    }
}
