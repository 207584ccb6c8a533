//! What a replay needs from outside, put together from its parts: tables, queues and time are one
//! thing, the stream that can be read again another, and objects a third, and a deployment chooses
//! each for itself.

use std::time::Duration;

use crate::dead_letter::Chunk;
use crate::error::Unavailable;
use crate::ledger::dialogue::WriteAnswer;
use crate::ledger::{LedgerWrite, PageRange, PageWrite, StoredHead, StoredPage};
use crate::letter::objects::{Object, Objects};
use crate::letter::origin::Offsets;
use crate::letter::{Lease, Letter, LetterRange, Letters, Owner, StoredLetter, StoredRun, Wanted};
use crate::pipeline::ports::{Buffer, Clock, DeadLetters, Home, Message, Metered, Store, Units};
use crate::registry::{DocumentName, Documents, StoredDocument};
use crate::stream::reread::{Again, Reread};
use crate::time::Timestamp;

/// Everything outside, in its parts.
#[derive(Clone, Debug)]
pub struct Joined<W, R, O> {
    /// Tables, queues, time.
    pub world: W,
    /// The stream, read again.
    pub stream: R,
    /// Objects that the event source wrote.
    pub objects: O,
}

/// No objects: a deployment whose event source writes none.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoObjects;

impl Objects for NoObjects {
    async fn object(&self, _bucket: &str, _key: &str) -> Result<Object, Unavailable> {
        Ok(Object::NotRead)
    }
}

impl<W: Store, R: Send + Sync, O: Send + Sync> Store for Joined<W, R, O> {
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

impl<W: DeadLetters, R: Send + Sync, O: Send + Sync> DeadLetters for Joined<W, R, O> {
    async fn send_letters(&self, messages: &[Message]) -> Vec<Result<(), Unavailable>> {
        self.world.send_letters(messages).await
    }
}

impl<W: Buffer, R: Send + Sync, O: Send + Sync> Buffer for Joined<W, R, O> {
    async fn send_buffered(&self, messages: &[Message]) -> Vec<Result<(), Unavailable>> {
        self.world.send_buffered(messages).await
    }
}

impl<W: Documents, R: Send + Sync, O: Send + Sync> Documents for Joined<W, R, O> {
    async fn document(&self, name: &DocumentName) -> Result<Option<StoredDocument>, Unavailable> {
        self.world.document(name).await
    }
}

impl<W: Clock, R: Send + Sync, O: Send + Sync> Clock for Joined<W, R, O> {
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

impl<W: Send + Sync, R: Reread, O: Send + Sync> Reread for Joined<W, R, O> {
    async fn reread(&self, offsets: &Offsets) -> Result<Option<Again>, Unavailable> {
        self.stream.reread(offsets).await
    }
}

impl<W: Send + Sync, R: Send + Sync, O: Objects> Objects for Joined<W, R, O> {
    async fn object(&self, bucket: &str, key: &str) -> Result<Object, Unavailable> {
        self.objects.object(bucket, key).await
    }
}

impl<W: Letters, R: Send + Sync, O: Send + Sync> Letters for Joined<W, R, O> {
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
