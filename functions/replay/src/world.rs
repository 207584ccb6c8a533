//! Everything outside and a stream beside it, as one: what records are applied to is one thing, what
//! they are read from again another, and each deployment has its own pair.

use std::time::Duration;

use drover_core::dead_letter::Chunk;
use drover_core::error::Unavailable;
use drover_core::ledger::dialogue::WriteAnswer;
use drover_core::ledger::{LedgerWrite, PageRange, PageWrite, StoredHead, StoredPage};
use drover_core::letter::objects::{Object, Objects};
use drover_core::letter::origin::Offsets;
use drover_core::letter::{
    Lease, Letter, LetterRange, Letters, Owner, StoredLetter, StoredRun, Wanted,
};
use drover_core::pipeline::ports::{
    Buffer, Clock, DeadLetters, Home, Message, Metered, Store, Units, World,
};
use drover_core::registry::{DocumentName, Documents, StoredDocument};
use drover_core::stream::reread::{Again, Reread};
use drover_core::time::Timestamp;

/// A world, and the stream whose offsets are read again.
#[derive(Clone, Debug)]
pub struct WithStream<W, R> {
    /// Everything else outside.
    pub world: W,
    /// The stream.
    pub stream: R,
}

/// The ports that a world has without a stream.
pub trait Inland: World + Letters + Objects {}

impl<W: World + Letters + Objects> Inland for W {}

impl<W: Inland, R: Reread> Reread for WithStream<W, R> {
    async fn reread(&self, offsets: &Offsets) -> Result<Option<Again>, Unavailable> {
        self.stream.reread(offsets).await
    }
}

impl<W: Inland, R: Reread> Objects for WithStream<W, R> {
    async fn object(&self, bucket: &str, key: &str) -> Result<Object, Unavailable> {
        self.world.object(bucket, key).await
    }
}

impl<W: Inland, R: Reread> Store for WithStream<W, R> {
    async fn head(&self, home: &Home) -> Result<Metered<Option<StoredHead>>, Unavailable> {
        self.world.head(home).await
    }

    async fn pages(
        &self,
        home: &Home,
        range: &PageRange,
    ) -> Result<Metered<Vec<StoredPage>>, Unavailable> {
        self.world.pages(home, range).await
    }

    async fn seal(&self, home: &Home, page: &PageWrite) -> Result<Metered<()>, Unavailable> {
        self.world.seal(home, page).await
    }

    async fn write(
        &self,
        home: &Home,
        write: &LedgerWrite,
    ) -> Result<Metered<WriteAnswer>, Unavailable> {
        self.world.write(home, write).await
    }
}

impl<W: Inland, R: Reread> DeadLetters for WithStream<W, R> {
    async fn send_letters(&self, messages: &[Message]) -> Vec<Result<(), Unavailable>> {
        self.world.send_letters(messages).await
    }
}

impl<W: Inland, R: Reread> Buffer for WithStream<W, R> {
    async fn send_buffered(&self, messages: &[Message]) -> Vec<Result<(), Unavailable>> {
        self.world.send_buffered(messages).await
    }
}

impl<W: Inland, R: Reread> Documents for WithStream<W, R> {
    async fn document(&self, name: &DocumentName) -> Result<Option<StoredDocument>, Unavailable> {
        self.world.document(name).await
    }
}

impl<W: Inland, R: Reread> Clock for WithStream<W, R> {
    fn now(&self) -> Timestamp {
        self.world.now()
    }

    async fn pause(&self, duration: Duration) {
        self.world.pause(duration).await;
    }

    fn random(&self) -> u64 {
        self.world.random()
    }
}

impl<W: Inland, R: Reread> Letters for WithStream<W, R> {
    async fn put_chunks(
        &self,
        owner: &Owner,
        id: &str,
        chunks: &[Chunk],
        expires_at: i64,
    ) -> Result<Units, Unavailable> {
        self.world.put_chunks(owner, id, chunks, expires_at).await
    }

    async fn put_letter(
        &self,
        owner: &Owner,
        letter: &Letter,
    ) -> Result<Metered<bool>, Unavailable> {
        self.world.put_letter(owner, letter).await
    }

    async fn replace_letter(
        &self,
        owner: &Owner,
        old: &StoredLetter,
        letter: &Letter,
    ) -> Result<Metered<bool>, Unavailable> {
        self.world.replace_letter(owner, old, letter).await
    }

    async fn letter(
        &self,
        owner: &Owner,
        id: &str,
    ) -> Result<Metered<Option<StoredLetter>>, Unavailable> {
        self.world.letter(owner, id).await
    }

    async fn letters(
        &self,
        owner: &Owner,
        range: &LetterRange,
    ) -> Result<Metered<Vec<StoredLetter>>, Unavailable> {
        self.world.letters(owner, range).await
    }

    async fn contents(
        &self,
        owner: &Owner,
        wanted: &[Wanted],
    ) -> Result<Metered<Vec<Option<Vec<u8>>>>, Unavailable> {
        self.world.contents(owner, wanted).await
    }

    async fn run(
        &self,
        owner: &Owner,
        id: &str,
    ) -> Result<Metered<Option<StoredRun>>, Unavailable> {
        self.world.run(owner, id).await
    }

    async fn runs(
        &self,
        owner: &Owner,
        limit: usize,
    ) -> Result<Metered<Vec<StoredRun>>, Unavailable> {
        self.world.runs(owner, limit).await
    }

    async fn put_run(
        &self,
        owner: &Owner,
        id: &str,
        run: &StoredRun,
        expires_at: i64,
    ) -> Result<Metered<bool>, Unavailable> {
        self.world.put_run(owner, id, run, expires_at).await
    }

    async fn take_lease(
        &self,
        owner: &Owner,
        lease: &Lease,
        now: Timestamp,
    ) -> Result<Metered<Option<Lease>>, Unavailable> {
        self.world.take_lease(owner, lease, now).await
    }

    async fn lease(&self, owner: &Owner) -> Result<Metered<Option<Lease>>, Unavailable> {
        self.world.lease(owner).await
    }

    async fn release_lease(&self, owner: &Owner, token: &str) -> Result<Units, Unavailable> {
        self.world.release_lease(owner, token).await
    }
}
