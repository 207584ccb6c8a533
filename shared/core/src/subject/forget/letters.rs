//! Forgetting a subject's letters: one walk over everything of one owner, letters and chunks side by
//! side in the order of their ids, a page of each in memory at a time. It may end anywhere and be done
//! again.
//!
//! Which letters are the subject's:
//!
//! - A letter with an established subject is that subject's, and nobody else's.
//! - Of any other, and of chunks without a letter, the content is searched for the subject's id
//!   ([`search`](super::search)): key, value, names and values of headers, and what the letter says of
//!   the fault. A letter that holds the id goes, though it may hold another's data as well.
//! - What cannot be read whole (a part is missing, or it does not unpack) may be the subject's, and goes.
//! - A letter of the operator stands for no tenant. It goes by the same rules, unless its topic's
//!   route finds another tenant in its record.
//! - A batch that the event source gave up holds records that nobody has looked at, of others, too. It
//!   stays until it was replayed, and is named.
//!
//! A letter that is found by its content is given the subject first: a walk that ends between the chunks
//! and the letter finds it by that the next time.
//!
//! Filing goes on meanwhile, and does not ask whether a subject was forgotten: that would be a read of a
//! head for each letter. So a letter that is still in a queue, or is filed behind the walk, is found by the
//! next one. Where a letter comes into the table between its chunks being seen and deleted, what is left of it has no
//! content.

use std::collections::VecDeque;

use super::search::mentions;
use crate::base::error::{Reason, Unavailable};
use crate::base::id::{SubjectKey, TenantId};
use crate::dead_letter::envelope::Content;
use crate::dead_letter::letter::{
    FiledChunk, Letter, LetterRange, Order, Owner, State, StoredLetter,
};
use crate::dead_letter::opened::{Opened, open};
use crate::dead_letter::origin::{Origin, Other};
use crate::intake::record::{Incoming, Source, TopicRetention};
use crate::intake::tenant::TopicRoute;
use crate::ports::{Clock, Documents, LetterEraser};
use crate::registry::Registry;

/// Letters that are read at once.
const PAGE: usize = 200;
/// Times that a run may change a letter before it gets its subject.
const ATTEMPTS: usize = 5;
/// Batches that are named.
const NAMED: usize = 100;

/// What was deleted of one owner's letters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErasedLetters {
    /// Letters.
    pub letters: u64,
    /// Chunks of contents, of those letters and of none.
    pub chunks: u64,
    /// Batches that hold the subject's records and stay, by the ids of their letters: the first
    /// hundred.
    pub undelivered: Vec<String>,
}

/// Forgets the letters of a subject, as far as they are under this owner.
///
/// # Errors
/// A table did not answer. It may be done again.
pub async fn forget_letters<S: LetterEraser + Documents + Clock>(
    store: &S,
    registry: &Registry,
    owner: &Owner,
    key: &SubjectKey,
) -> Result<ErasedLetters, Unavailable> {
    let subject = key.subject().to_string();
    let eraser = Eraser { store, registry, owner, key, subject };
    let (mut walk, mut erased) = (Walk::default(), ErasedLetters::default());
    while let Some(mut filed) = walk.next(store, owner).await? {
        if filed.letter.is_none() {
            // It may have been filed since its page was read.
            filed.letter = store.letter(owner, &filed.id).await?.answer;
        }
        match eraser.verdict(&filed).await? {
            Verdict::Others => {}
            Verdict::Theirs => {
                erased.letters += u64::from(filed.letter.is_some());
                erased.chunks += u64::try_from(filed.chunks.len()).unwrap_or(u64::MAX);
                eraser.erase(filed).await?;
            }
            Verdict::Undelivered if erased.undelivered.len() < NAMED => {
                erased.undelivered.push(filed.id);
            }
            Verdict::Undelivered => {}
        }
    }
    Ok(erased)
}

/// Whose something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Others,
    Theirs,
    /// Theirs and others'.
    Undelivered,
}

struct Eraser<'a, S> {
    store: &'a S,
    registry: &'a Registry,
    owner: &'a Owner,
    key: &'a SubjectKey,
    /// `kind/id`
    subject: String,
}

impl<S: LetterEraser + Documents + Clock> Eraser<'_, S> {
    async fn verdict(&self, filed: &Filed) -> Result<Verdict, Unavailable> {
        let (letter, id) = (filed.letter(), self.key.subject().id());
        let established = letter.and_then(|letter| letter.subject.as_deref());
        if established.is_some_and(|subject| subject != self.subject) {
            return Ok(Verdict::Others);
        }
        let frame = filed.frame();
        if established.is_none() {
            let content = frame.as_deref().and_then(|frame| Content::unpack(frame).ok());
            let is_theirs = content.is_none_or(|content| speaks(&content, id))
                || letter.is_some_and(|letter| says(letter, id));
            if !is_theirs {
                return Ok(Verdict::Others);
            }
        }
        if letter.is_some_and(is_undelivered) {
            return Ok(Verdict::Undelivered);
        }
        Ok(match (letter, frame) {
            (Some(letter), Some(frame)) if self.is_of_another_tenant(letter, &frame).await? => {
                Verdict::Others
            }
            _ => Verdict::Theirs,
        })
    }

    /// Whether a letter of nobody would be another tenant's today.
    async fn is_of_another_tenant(
        &self,
        letter: &Letter,
        frame: &[u8],
    ) -> Result<bool, Unavailable> {
        if *self.owner != Owner::Operator {
            return Ok(false);
        }
        // Whose it is does not depend on when it came.
        let named = match open(self.owner, letter, frame, TopicRetention::WEEK) {
            Opened::Record(Incoming::Record(record)) => {
                let Source::Kafka { topic, .. } = &record.source else { return Ok(false) };
                let (now, documents) = (self.store.now(), self.store);
                let route = match self.registry.topic(topic, now, documents).await {
                    // A route that cannot be read tells nothing.
                    Err(unavailable) if unavailable.reason == Reason::Corrupt => None,
                    route => route?,
                };
                route.and_then(|route| route.tenant(&record.parsed()).ok())
            }
            Opened::Record(Incoming::Event(record)) => {
                TopicRoute::Envelope.tenant(&record.parsed()).ok()
            }
            _ => None,
        };
        Ok(named.is_some_and(|named| named.id() != self.tenant()))
    }

    fn tenant(&self) -> &TenantId {
        self.key.tenant()
    }

    async fn erase(&self, filed: Filed) -> Result<(), Unavailable> {
        let mut numbers: Vec<u32> = filed.chunks.iter().map(|chunk| chunk.number).collect();
        if let Some(stored) = filed.letter {
            // Parts that came since.
            numbers.extend(1..=stored.letter.chunks);
            self.name(stored).await?;
        }
        numbers.sort_unstable();
        numbers.dedup();
        self.store.delete_chunks(self.owner, &filed.id, &numbers).await?;
        self.store.delete_letter(self.owner, &filed.id).await
    }

    /// Gives a letter its subject, so that it is found without its content.
    async fn name(&self, mut stored: StoredLetter) -> Result<(), Unavailable> {
        for _ in 0..ATTEMPTS {
            if stored.letter.subject.as_ref() == Some(&self.subject) {
                return Ok(());
            }
            let subject = Some(self.subject.clone());
            let named = Letter { subject, ..stored.letter.clone() };
            if self.store.replace_letter(self.owner, &stored, &named).await?.answer {
                return Ok(());
            }
            let Some(found) = self.store.letter(self.owner, &named.id).await?.answer else {
                return Ok(());
            };
            stored = found;
        }
        Err(Unavailable::new(Reason::Contention, "a letter changes all the time"))
    }
}

fn speaks(Content { key, value, headers }: &Content, id: &str) -> bool {
    let mut parts = key.iter().chain(value).map(Vec::as_slice);
    parts.any(|part| mentions(part, id))
        || headers.iter().any(|(name, value)| mentions(name.as_bytes(), id) || mentions(value, id))
}

/// Whether the letter itself holds the id: a fault may quote what it is about.
fn says(letter: &Letter, id: &str) -> bool {
    let texts = [Some(&letter.message), letter.path.as_ref(), letter.trace.as_ref()];
    texts.into_iter().flatten().any(|text| mentions(text.as_bytes(), id))
}

fn is_undelivered(letter: &Letter) -> bool {
    matches!(letter.source, Origin::Other(Other::Batch { .. } | Other::Object { .. }))
        && letter.state != State::Resolved
}

/// A letter, its chunks, or both.
struct Filed {
    id: String,
    letter: Option<StoredLetter>,
    chunks: Vec<FiledChunk>,
}

impl Filed {
    fn letter(&self) -> Option<&Letter> {
        self.letter.as_ref().map(|stored| &stored.letter)
    }

    /// The packed content; `None`: some of it is missing.
    fn frame(&self) -> Option<Vec<u8>> {
        let mut expected = 1..;
        let in_order = self.chunks.iter().all(|chunk| expected.next() == Some(chunk.number));
        let count = self.letter().map_or(self.chunks.len(), |letter| {
            usize::try_from(letter.chunks).unwrap_or(usize::MAX)
        });
        let is_whole = in_order && !self.chunks.is_empty() && count == self.chunks.len();
        is_whole.then(|| self.chunks.iter().flat_map(|chunk| &chunk.bytes).copied().collect())
    }
}

/// Where a walk stands.
#[derive(Default)]
struct Walk {
    letters: VecDeque<StoredLetter>,
    last_letter: Option<String>,
    has_every_letter: bool,
    chunks: VecDeque<FiledChunk>,
    last_chunk: Option<(String, u32)>,
    has_every_chunk: bool,
}

impl Walk {
    /// What has the next id.
    async fn next(
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
