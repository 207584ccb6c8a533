//! A store that keeps writes in memory on top of the real store. A dry run uses it to run the same
//! pipeline as a real run without side effects.
//!
//! The overlay is consistent for each subject from the first write on. If a real writer changes
//! pages of such a subject meanwhile, these pages are newer than the head in the overlay, and the
//! commit fails. [`Overlay::forget`] then lets the subject start again from the stored state.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::base::cost::{Metered, Units};
use crate::base::error::{Reason, Unavailable};
use crate::base::id::SubjectKey;
use crate::base::time::Timestamp;
use crate::dead_letter::message::Message;
use crate::intake::document::{DocumentName, StoredDocument};
use crate::ledger::dialogue::WriteAnswer;
use crate::ledger::{Bound, LedgerWrite, PageRange, PageWrite, StoredHead, StoredPage};
use crate::ports::{Buffer, Clock, DeadLetters, Documents, Ports, Store, SubjectLocation};

/// The writes.
#[derive(Default)]
struct Kept {
    subjects: BTreeMap<String, Subject>,
    bytes: usize,
}

#[derive(Default)]
struct Subject {
    head: Option<StoredHead>,
    pages: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Subject {
    fn bytes(&self) -> usize {
        let pages = self.pages.iter().map(|(key, bytes)| key.len() + bytes.len());
        pages.sum::<usize>() + self.head.as_ref().map_or(0, |head| head.bytes.len())
    }
}

/// Ports whose ledger writes stay in memory and whose queues accept nothing.
pub struct Overlay<'a, W> {
    ports: &'a W,
    kept: Mutex<Kept>,
}

impl<'a, W: Ports> Overlay<'a, W> {
    /// An empty overlay over the real ports.
    pub fn new(ports: &'a W) -> Self {
        Self { ports, kept: Mutex::default() }
    }

    /// The size of the writes in memory.
    pub fn bytes(&self) -> usize {
        self.kept().bytes
    }

    /// Forgets the writes to a subject.
    pub fn forget(&self, key: &SubjectKey) {
        let kept = &mut *self.kept();
        if let Some(subject) = kept.subjects.remove(&key.partition_key()) {
            kept.bytes -= subject.bytes();
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, location: &SubjectLocation, change: impl FnOnce(&mut Subject)) {
        let kept = &mut *self.kept();
        let subject = kept.subjects.entry(location.key.partition_key()).or_default();
        let before = subject.bytes();
        change(subject);
        kept.bytes = kept.bytes - before + subject.bytes();
    }

    fn own_head(&self, location: &SubjectLocation) -> Option<StoredHead> {
        self.kept().subjects.get(&location.key.partition_key())?.head.clone()
    }

    /// The written pages of a range, in order.
    fn own_pages(&self, location: &SubjectLocation, range: &PageRange) -> Vec<StoredPage> {
        let kept = self.kept();
        let Some(subject) = kept.subjects.get(&location.key.partition_key()) else {
            return Vec::new();
        };
        let page = |(key, bytes): (&Vec<u8>, &Vec<u8>)| StoredPage {
            key: key.clone(),
            bytes: bytes.clone(),
        };
        match &range.bound {
            Bound::From(key) => {
                subject.pages.range(key.clone()..).take(range.limit).map(page).collect()
            }
            Bound::UpTo(key) => {
                subject.pages.range(..=key.clone()).rev().take(range.limit).map(page).collect()
            }
        }
    }
}

impl<W: Ports> Store for Overlay<'_, W> {
    async fn head(
        &self,
        location: &SubjectLocation,
    ) -> Result<Metered<Option<StoredHead>>, Unavailable> {
        match self.own_head(location) {
            Some(head) => Ok(Metered { answer: Some(head), units: Units::default() }),
            None => self.ports.head(location).await,
        }
    }

    async fn pages(
        &self,
        location: &SubjectLocation,
        range: &PageRange,
    ) -> Result<Metered<Vec<StoredPage>>, Unavailable> {
        let own = self.own_pages(location, range);
        let stored = self.ports.pages(location, range).await?;
        let mut merged: BTreeMap<Vec<u8>, StoredPage> = BTreeMap::new();
        // Written pages come last and replace stored pages with the same key.
        for page in stored.answer.into_iter().chain(own) {
            merged.insert(page.key.clone(), page);
        }
        let pages = merged.into_values();
        let answer = match range.bound {
            Bound::From(_) => pages.take(range.limit).collect(),
            Bound::UpTo(_) => pages.rev().take(range.limit).collect(),
        };
        Ok(Metered { answer, units: stored.units })
    }

    async fn seal(
        &self,
        location: &SubjectLocation,
        page: &PageWrite,
    ) -> Result<Metered<()>, Unavailable> {
        let just_it = PageRange::from(page.page.key.clone(), 1);
        let found = self.pages(location, &just_it).await?;
        if found.answer.first().is_none_or(|first| first.key != page.page.key) {
            self.change(location, |subject| {
                subject.pages.insert(page.page.key.clone(), page.page.bytes.clone());
            });
        }
        Ok(Metered { answer: (), units: found.units })
    }

    async fn write(
        &self,
        location: &SubjectLocation,
        write: &LedgerWrite,
    ) -> Result<Metered<WriteAnswer>, Unavailable> {
        let stored = self.head(location).await?;
        if stored.answer.as_ref().map(|head| head.version) != write.expected {
            return Ok(Metered { answer: WriteAnswer::Lost(stored.answer), units: stored.units });
        }
        self.change(location, |subject| {
            subject.head = Some(write.head.clone());
            for page in &write.pages {
                subject.pages.insert(page.page.key.clone(), page.page.bytes.clone());
            }
        });
        Ok(Metered { answer: WriteAnswer::Written, units: stored.units })
    }
}

fn no_queue(messages: &[Message]) -> Vec<Result<(), Unavailable>> {
    let refused = || Unavailable::new(Reason::Misconfigured, "a dry run sends nothing");
    messages.iter().map(|_| Err(refused())).collect()
}

impl<W: Ports> DeadLetters for Overlay<'_, W> {
    async fn send_letters(&self, messages: &[Message]) -> Vec<Result<(), Unavailable>> {
        no_queue(messages)
    }
}

impl<W: Ports> Buffer for Overlay<'_, W> {
    async fn send_buffered(&self, messages: &[Message]) -> Vec<Result<(), Unavailable>> {
        no_queue(messages)
    }
}

impl<W: Ports> Documents for Overlay<'_, W> {
    async fn document(&self, name: &DocumentName) -> Result<Option<StoredDocument>, Unavailable> {
        self.ports.document(name).await
    }
}

impl<W: Ports> Clock for Overlay<'_, W> {
    fn now(&self) -> Timestamp {
        self.ports.now()
    }

    async fn pause(&self, duration: Duration) {
        self.ports.pause(duration).await;
    }

    fn random(&self) -> u64 {
        self.ports.random()
    }
}
