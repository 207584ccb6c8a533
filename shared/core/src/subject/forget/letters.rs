//! Deletes the letters of a subject: one [`Walk`] over all letters and chunks of one owner. The walk can stop
//! anywhere and can be repeated.
//!
//! The letters of the subject:
//!
//! - A letter with a subject belongs to that subject only.
//! - For a letter without a subject, and for chunks without a letter, the content is searched for the id of
//!   the subject ([`search`](super::search)): key, value, header names and header values. A letter that
//!   contains the id is deleted, although it may contain data of another subject as well.
//! - A letter of the operator has no tenant. It is deleted only if the route of its topic finds this tenant
//!   in its record, or if its content also contains the id of the tenant.
//!
//! Some letters stay and are listed in the receipt, because forgetting one subject must not lose records of
//! another subject:
//!
//! - Letters whose content is incomplete or cannot be decoded.
//! - Letters that contain an id that is too common ([`is_common`](super::search::is_common)), and letters
//!   of the operator that contain the id but no tenant.
//! - Batches that the event source discarded. They contain unprocessed records, also of other subjects, and
//!   stay until they are replayed.
//!
//! A letter that was found by its content first gets the subject. If a walk stops after it deleted the
//! chunks, the next walk finds the letter by its subject.
//!
//! New letters are filed during a walk. Filing does not check whether a subject was forgotten, because the
//! check would cost a read of a head for each letter. The next walk finds a letter that was still in a
//! queue or was filed after the walk had passed its id. If a letter is filed after the walk has read its
//! chunks and before it deletes them, the letter stays without content.

use serde::Serialize;

use super::search::{is_common, mentions};
use super::walk::{Filed, Walk};
use crate::base::error::{Reason, Unavailable};
use crate::base::id::{SubjectKey, TenantId};
use crate::dead_letter::envelope::Content;
use crate::dead_letter::letter::{Letter, Owner, State, StoredLetter};
use crate::dead_letter::opened::{Opened, open};
use crate::dead_letter::origin::{Origin, Other};
use crate::intake::record::{Incoming, Source, TopicRetention};
use crate::intake::tenant::TopicRoute;
use crate::ports::Clock;
use crate::ports::Documents;
use crate::ports::LetterEraser;
use crate::registry::Registry;

/// Maximum number of attempts to give a letter its subject while replay runs change the letter.
const ATTEMPTS: usize = 5;
/// Maximum number of ids in a [`Named`].
const NAMED: usize = 100;

/// The deleted letters of one owner, and the letters that stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErasedLetters {
    /// The number of deleted letters.
    pub letters: u64,
    /// The number of deleted chunks, including chunks without a letter.
    pub chunks: u64,
    /// Batches that contain records of the subject. They stay. The ids are those of their letters.
    pub undelivered: Named,
    /// Letters, and chunks without a letter, that may or may not belong to the subject. They stay.
    pub doubtful: Named,
}

/// The number of letters, and the ids of the first hundred.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Named {
    /// The number of letters.
    pub count: u64,
    /// The ids of the first hundred letters.
    pub ids: Vec<String>,
}

impl Named {
    fn add(&mut self, id: String) {
        self.count += 1;
        if self.ids.len() < NAMED {
            self.ids.push(id);
        }
    }

    /// Appends other letters.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.count += other.count;
        self.ids.extend(other.ids);
        self
    }
}

/// Deletes the letters of a subject that this owner has.
///
/// # Errors
/// A table does not answer. The call can be repeated.
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
            // The letter may have been filed after the walk read this part of the table.
            filed.letter = store.letter(owner, &filed.id).await?.answer;
        }
        match eraser.belonging(&filed).await? {
            Belonging::Others => {}
            Belonging::Theirs => {
                erased.letters += u64::from(filed.letter.is_some());
                erased.chunks += u64::try_from(filed.chunks.len()).unwrap_or(u64::MAX);
                eraser.erase(filed).await?;
            }
            Belonging::Undelivered => erased.undelivered.add(filed.id),
            Belonging::Doubtful => erased.doubtful.add(filed.id),
        }
    }
    Ok(erased)
}

/// Whether a letter belongs to the subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Belonging {
    Others,
    Theirs,
    /// The letter is a batch with records of this subject and of others.
    Undelivered,
    /// Unknown.
    Doubtful,
}

/// Whether a letter of the operator belongs to the tenant.
enum Tenancy {
    This,
    Other,
    Unknown,
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
    async fn belonging(&self, filed: &Filed) -> Result<Belonging, Unavailable> {
        let (letter, id) = (filed.letter(), self.key.subject().id());
        let established = letter.and_then(|letter| letter.subject.as_deref());
        if established.is_some_and(|subject| subject != self.subject) {
            return Ok(Belonging::Others);
        }
        let frame = filed.frame();
        let content = frame.as_deref().and_then(|frame| Content::unpack(frame).ok());
        if established.is_none() {
            match &content {
                None => return Ok(Belonging::Doubtful),
                Some(content) if !speaks(content, id) => return Ok(Belonging::Others),
                Some(_) => {}
            }
        }
        if letter.is_some_and(is_undelivered) {
            return Ok(Belonging::Undelivered);
        }
        if established.is_none() && is_common(id) {
            return Ok(Belonging::Doubtful);
        }
        if *self.owner != Owner::Operator {
            return Ok(Belonging::Theirs);
        }
        let (Some(frame), Some(content)) = (frame, content) else { return Ok(Belonging::Doubtful) };
        let tenancy = match letter {
            Some(letter) => self.tenancy(letter, &frame).await?,
            None => Tenancy::Unknown,
        };
        Ok(match tenancy {
            Tenancy::This => Belonging::Theirs,
            Tenancy::Other => Belonging::Others,
            Tenancy::Unknown if speaks(&content, self.tenant().as_str()) => Belonging::Theirs,
            Tenancy::Unknown => Belonging::Doubtful,
        })
    }

    /// Finds the tenant of a letter of the operator by the current route.
    async fn tenancy(&self, letter: &Letter, frame: &[u8]) -> Result<Tenancy, Unavailable> {
        // The tenant does not depend on the time of receipt, so any retention is correct.
        let named = match open(self.owner, letter, frame, TopicRetention::WEEK) {
            Opened::Record(Incoming::Record(record)) => {
                let Source::Kafka { topic, .. } = &record.source else {
                    return Ok(Tenancy::Unknown);
                };
                let (now, documents) = (self.store.now(), self.store);
                let route = match self.registry.topic(topic, now, documents).await {
                    // A corrupt route leaves the tenant unknown.
                    Err(unavailable) if unavailable.reason == Reason::Corrupt => None,
                    route => route?,
                };
                route.and_then(|route| {
                    route.tenant(&route.framing().unframed(&record).parsed()).ok()
                })
            }
            Opened::Record(Incoming::Event(record)) => {
                TopicRoute::Envelope.tenant(&record.parsed()).ok()
            }
            _ => None,
        };
        Ok(match named {
            Some(named) if named.id() == self.tenant() => Tenancy::This,
            Some(_) => Tenancy::Other,
            None => Tenancy::Unknown,
        })
    }

    fn tenant(&self) -> &TenantId {
        self.key.tenant()
    }

    async fn erase(&self, filed: Filed) -> Result<(), Unavailable> {
        let mut numbers: Vec<u32> = filed.chunks.iter().map(|chunk| chunk.number).collect();
        if let Some(stored) = filed.letter {
            // Chunks that were put after the walk read this part of the table.
            numbers.extend(1..=stored.letter.chunks);
            self.name(stored).await?;
        }
        numbers.sort_unstable();
        numbers.dedup();
        self.store.delete_chunks(self.owner, &filed.id, &numbers).await?;
        self.store.delete_letter(self.owner, &filed.id).await
    }

    /// Gives a letter its subject, so that the next walk finds the letter without its content.
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
        Err(Unavailable::new(Reason::Contention, "other writers won every attempt at this letter"))
    }
}

fn speaks(Content { key, value, headers }: &Content, id: &str) -> bool {
    let mut parts = key.iter().chain(value).map(Vec::as_slice);
    parts.any(|part| mentions(part, id))
        || headers.iter().any(|(name, value)| mentions(name.as_bytes(), id) || mentions(value, id))
}

fn is_undelivered(letter: &Letter) -> bool {
    matches!(letter.source, Origin::Other(Other::Batch { .. } | Other::Object { .. }))
        && letter.state != State::Resolved
}
