//! Forgetting a subject's letters: one [`Walk`] over everything of one owner. It may end anywhere and be done
//! again.
//!
//! Which letters are the subject's:
//!
//! - A letter with an established subject is that subject's, and nobody else's.
//! - Of any other, and of chunks without a letter, the content is searched for the subject's id
//!   ([`search`](super::search)): key, value, names and values of headers. A letter that holds the id goes,
//!   though it may hold another's data as well.
//! - A letter of the operator stands for no tenant. It goes only if its topic's route finds this tenant in its
//!   record, or its content holds the tenant's id too.
//!
//! Which letters stay and are named, because nobody's record may be lost when another is forgotten:
//!
//! - What cannot be read whole (a part is missing, or it does not unpack).
//! - What holds an id that is too common to tell anything ([`is_common`](super::search::is_common)), and a letter
//!   of the operator that holds the id and no tenant.
//! - A batch that the event source gave up holds records that nobody has looked at, of others, too. It
//!   stays until it was replayed.
//!
//! A letter that is found by its content is given the subject first: a walk that ends between the chunks
//! and the letter finds it by that the next time.
//!
//! Filing goes on meanwhile, and does not ask whether a subject was forgotten: that would be a read of a
//! head for each letter. So a letter that is still in a queue, or is filed behind the walk, is found by the
//! next one. Where a letter comes into the table between its chunks being seen and deleted, what is left of it has no
//! content.

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

/// Times that a run may change a letter before it gets its subject.
const ATTEMPTS: usize = 5;
/// Letters of each kind that are named.
const NAMED: usize = 100;

/// What was deleted of one owner's letters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErasedLetters {
    /// Letters.
    pub letters: u64,
    /// Chunks of contents, of those letters and of none.
    pub chunks: u64,
    /// Batches that hold the subject's records and stay, by the ids of their letters.
    pub undelivered: Named,
    /// Letters, and chunks without one, of which nobody can tell whether they are the subject's. They stay.
    pub doubtful: Named,
}

/// Letters by their ids: the first hundred, and how many there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Named {
    /// How many.
    pub count: u64,
    /// The first hundred.
    pub ids: Vec<String>,
}

impl Named {
    fn add(&mut self, id: String) {
        self.count += 1;
        if self.ids.len() < NAMED {
            self.ids.push(id);
        }
    }

    /// These and others.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.count += other.count;
        self.ids.extend(other.ids);
        self
    }
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

/// Whose something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Belonging {
    Others,
    Theirs,
    /// Theirs and others'.
    Undelivered,
    /// Nobody can tell.
    Doubtful,
}

/// The tenant of a letter that was filed under none.
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

    /// Whose a letter of the operator would be today.
    async fn tenancy(&self, letter: &Letter, frame: &[u8]) -> Result<Tenancy, Unavailable> {
        // Whose it is does not depend on when it came.
        let named = match open(self.owner, letter, frame, TopicRetention::WEEK) {
            Opened::Record(Incoming::Record(record)) => {
                let Source::Kafka { topic, .. } = &record.source else {
                    return Ok(Tenancy::Unknown);
                };
                let (now, documents) = (self.store.now(), self.store);
                let route = match self.registry.topic(topic, now, documents).await {
                    // A route that cannot be read tells nothing.
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

fn is_undelivered(letter: &Letter) -> bool {
    matches!(letter.source, Origin::Other(Other::Batch { .. } | Other::Object { .. }))
        && letter.state != State::Resolved
}
