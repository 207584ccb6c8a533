//! Walks over all letters and chunks of one owner, in the order of their ids. One page of letters and one
//! page of chunks are in memory at a time.

use std::collections::VecDeque;

use crate::base::error::Unavailable;
use crate::dead_letter::letter::{FiledChunk, Letter, LetterRange, Order, Owner, StoredLetter};
use crate::ports::LetterEraser;

/// Maximum number of letters in one read.
const PAGE: usize = 200;

/// The stored items of one id: a letter, chunks, or both.
pub(super) struct Filed {
    pub(super) id: String,
    pub(super) letter: Option<StoredLetter>,
    pub(super) chunks: Vec<FiledChunk>,
}

impl Filed {
    pub(super) fn letter(&self) -> Option<&Letter> {
        self.letter.as_ref().map(|stored| &stored.letter)
    }

    /// The packed content. `None`: chunks are missing.
    pub(super) fn frame(&self) -> Option<Vec<u8>> {
        let mut expected = 1..;
        let in_order = self.chunks.iter().all(|chunk| expected.next() == Some(chunk.number));
        let count = self.letter().map_or(self.chunks.len(), |letter| {
            usize::try_from(letter.chunks).unwrap_or(usize::MAX)
        });
        let is_whole = in_order && !self.chunks.is_empty() && count == self.chunks.len();
        is_whole.then(|| self.chunks.iter().flat_map(|chunk| &chunk.bytes).copied().collect())
    }
}

/// The state of a walk.
#[derive(Default)]
pub(super) struct Walk {
    letters: VecDeque<StoredLetter>,
    last_letter: Option<String>,
    has_every_letter: bool,
    chunks: VecDeque<FiledChunk>,
    last_chunk: Option<(String, u32)>,
    has_every_chunk: bool,
}

impl Walk {
    /// Returns the items of the next id. `None`: the walk is at its end.
    pub(super) async fn next(
        &mut self,
        store: &impl LetterEraser,
        owner: &Owner,
    ) -> Result<Option<Filed>, Unavailable> {
        self.read_letters(store, owner).await?;
        self.read_chunks(store, owner).await?;
        let of_letter = self.letters.front().map(|stored| &stored.letter.id);
        let of_chunk = self.chunks.front().map(|chunk| &chunk.id);
        let Some(id) = of_letter.into_iter().chain(of_chunk).min().cloned() else {
            return Ok(None);
        };
        let letter = self.letters.pop_front_if(|stored| stored.letter.id == id);
        let mut chunks = Vec::new();
        while let Some(chunk) = self.chunks.pop_front_if(|chunk| chunk.id == id) {
            chunks.push(chunk);
            self.read_chunks(store, owner).await?;
        }
        Ok(Some(Filed { id, letter, chunks }))
    }

    async fn read_letters(
        &mut self,
        store: &impl LetterEraser,
        owner: &Owner,
    ) -> Result<(), Unavailable> {
        if self.has_every_letter || !self.letters.is_empty() {
            return Ok(());
        }
        let after = self.last_letter.take();
        let range = LetterRange { after, order: Order::Rising, limit: PAGE };
        self.letters = store.letters(owner, &range).await?.answer.into();
        self.has_every_letter = self.letters.len() < PAGE;
        self.last_letter = self.letters.back().map(|stored| stored.letter.id.clone());
        Ok(())
    }

    async fn read_chunks(
        &mut self,
        store: &impl LetterEraser,
        owner: &Owner,
    ) -> Result<(), Unavailable> {
        if self.has_every_chunk || !self.chunks.is_empty() {
            return Ok(());
        }
        let last = self.last_chunk.as_ref().map(|(id, number)| (id.as_str(), *number));
        self.chunks = store.chunks_behind(owner, last).await?.into();
        self.has_every_chunk = self.chunks.is_empty();
        self.last_chunk = self.chunks.back().map(|chunk| (chunk.id.clone(), chunk.number));
        Ok(())
    }
}
