//! The buffer queue: records that waited for a part of the system which was unavailable go through
//! the pipeline again, with the time at which they entered.
//!
//! A record that still cannot be applied comes again with its own message: it is never put into the
//! queue a second time, so it keeps its age and SQS counts its tries. What the pipeline rejects goes
//! to the dead letters, like everybody's. A message that is no whole record (a part of a larger one,
//! or none of ours) is filed as a letter, from where a replay takes it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use drover_core::error::{Reason, Unavailable};
use drover_core::ledger::dialogue::WriteAnswer;
use drover_core::ledger::{LedgerWrite, PageRange, PageWrite, StoredHead, StoredPage};
use drover_core::letter::filing::{Filing, read};
use drover_core::letter::opened::{Opened, open};
use drover_core::pipeline::ports::{
    Buffer, Clock, DeadLetters, Home, Message as Sent, Metered, Store,
};
use drover_core::pipeline::{Disposition, Report};
use drover_core::record::Incoming;
use drover_core::registry::{DocumentName, Documents, StoredDocument};
use drover_core::time::Timestamp;

use crate::queue::{Message, Taken};
use crate::{Environment, Outside};

impl<W: Outside, B: Send + Sync> Environment<W, B> {
    /// Takes the records of a batch through the pipeline, in one call.
    pub(crate) async fn drain(&self, messages: &[Message], deadline: Timestamp) -> Taken {
        let now = self.world.now();
        let (mut records, mut others) = (BTreeMap::new(), BTreeMap::new());
        for (place, message) in messages.iter().enumerate() {
            match record(&read(&message.received(), now)) {
                Some(record) => records.insert(place, record).is_none(),
                None => others.insert(place, message).is_none(),
            };
        }
        let taken = self.process(records, deadline).await;
        self.file_these(others.into_iter(), deadline, taken).await
    }

    async fn process(&self, records: BTreeMap<usize, Incoming>, deadline: Timestamp) -> Taken {
        let (places, records): (Vec<usize>, Vec<Incoming>) = records.into_iter().unzip();
        let world = Drained(&self.world);
        match self.pipeline.process(&world, records, deadline).await {
            Ok(Report { dispositions, tally }) => {
                let outcomes = places.into_iter().zip(dispositions);
                let failed: BTreeSet<usize> = outcomes
                    .filter_map(|(place, disposition)| comes_again(disposition).then_some(place))
                    .collect();
                Taken { failed, tally }
            }
            Err(open) => {
                tracing::error!(%open, "the buffer is not drained");
                Taken { failed: places.into_iter().collect(), ..Taken::default() }
            }
        }
    }
}

/// The record of a message; `None`: it brings no whole one.
fn record(filing: &Filing) -> Option<Incoming> {
    let Filing { owner, letter, chunks } = filing;
    if u32::try_from(chunks.len()) != Ok(letter.chunks) {
        return None;
    }
    let frame: Vec<u8> = chunks.iter().flat_map(|chunk| &chunk.bytes).copied().collect();
    match open(owner, letter, &frame) {
        Opened::Record(record) => Some(record),
        Opened::Records(_) | Opened::Offsets(_) | Opened::Object { .. } | Opened::Unreadable(_) => {
            None
        }
    }
}

const fn comes_again(disposition: Disposition) -> bool {
    match disposition {
        Disposition::Applied | Disposition::Duplicate | Disposition::DeadLettered(_) => false,
        // The buffer takes nothing here, and its message stays the record's place.
        Disposition::Buffered | Disposition::Returned => true,
    }
}

/// The world as the drain sees it: the buffer is where its records are already.
struct Drained<'w, W>(&'w W);

impl<W: Outside> Buffer for Drained<'_, W> {
    async fn send_buffered(&self, messages: &[Sent]) -> Vec<Result<(), Unavailable>> {
        let stays = || Unavailable::new(Reason::Unreachable, "it stays in the buffer");
        messages.iter().map(|_| Err(stays())).collect()
    }
}

impl<W: Outside> Store for Drained<'_, W> {
    async fn head(&self, home: &Home) -> Result<Metered<Option<StoredHead>>, Unavailable> {
        self.0.head(home).await
    }

    async fn pages(
        &self,
        home: &Home,
        range: &PageRange,
    ) -> Result<Metered<Vec<StoredPage>>, Unavailable> {
        self.0.pages(home, range).await
    }

    async fn seal(&self, home: &Home, page: &PageWrite) -> Result<Metered<()>, Unavailable> {
        self.0.seal(home, page).await
    }

    async fn write(
        &self,
        home: &Home,
        write: &LedgerWrite,
    ) -> Result<Metered<WriteAnswer>, Unavailable> {
        self.0.write(home, write).await
    }
}

impl<W: Outside> DeadLetters for Drained<'_, W> {
    async fn send_letters(&self, messages: &[Sent]) -> Vec<Result<(), Unavailable>> {
        self.0.send_letters(messages).await
    }
}

impl<W: Outside> Documents for Drained<'_, W> {
    async fn document(&self, name: &DocumentName) -> Result<Option<StoredDocument>, Unavailable> {
        self.0.document(name).await
    }
}

impl<W: Outside> Clock for Drained<'_, W> {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    async fn pause(&self, duration: Duration) {
        self.0.pause(duration).await;
    }

    fn random(&self) -> u64 {
        self.0.random()
    }
}
