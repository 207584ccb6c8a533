//! Faults of the queues, of the table of letters, and of rereads.

use super::{Call, Faulty};
use crate::base::cost::{Metered, Units};
use crate::base::error::Unavailable;
use crate::base::time::Timestamp;
use crate::dead_letter::envelope::Chunk;
use crate::dead_letter::letter::{
    FiledChunk, Lease, Letter, LetterRange, Owner, StoredLetter, StoredRun, Wanted,
};
use crate::dead_letter::message::Message;
use crate::dead_letter::object::Object;
use crate::dead_letter::origin::Offsets;
use crate::dead_letter::reread::Again;
use crate::intake::record::Receipt;
use crate::ports::{Buffer, DeadLetters, LetterEraser, Letters, Objects, Reread};

impl<P: DeadLetters> DeadLetters for Faulty<P> {
    async fn send_letters(&self, messages: &[Message]) -> Vec<Result<(), Unavailable>> {
        self.each(Call::Letter, messages, |messages| self.ports.send_letters(messages)).await
    }
}

impl<P: Buffer> Buffer for Faulty<P> {
    async fn send_buffered(&self, messages: &[Message]) -> Vec<Result<(), Unavailable>> {
        self.each(Call::Buffer, messages, |messages| self.ports.send_buffered(messages)).await
    }
}

impl<P: Letters> Letters for Faulty<P> {
    async fn put_chunks(
        &self,
        owner: &Owner,
        id: &str,
        chunks: &[Chunk],
        expires_at: i64,
    ) -> Result<Units, Unavailable> {
        self.call(Call::File, self.ports.put_chunks(owner, id, chunks, expires_at)).await
    }

    async fn put_letter(
        &self,
        owner: &Owner,
        letter: &Letter,
    ) -> Result<Metered<bool>, Unavailable> {
        self.call(Call::File, self.ports.put_letter(owner, letter)).await
    }

    async fn replace_letter(
        &self,
        owner: &Owner,
        old: &StoredLetter,
        letter: &Letter,
    ) -> Result<Metered<bool>, Unavailable> {
        self.call(Call::Mark, self.ports.replace_letter(owner, old, letter)).await
    }

    async fn letter(
        &self,
        owner: &Owner,
        id: &str,
    ) -> Result<Metered<Option<StoredLetter>>, Unavailable> {
        self.call(Call::Filed, self.ports.letter(owner, id)).await
    }

    async fn letters(
        &self,
        owner: &Owner,
        range: &LetterRange,
    ) -> Result<Metered<Vec<StoredLetter>>, Unavailable> {
        self.call(Call::Filed, self.ports.letters(owner, range)).await
    }

    async fn contents(
        &self,
        owner: &Owner,
        wanted: &[Wanted],
    ) -> Result<Metered<Vec<Option<Vec<u8>>>>, Unavailable> {
        self.call(Call::Filed, self.ports.contents(owner, wanted)).await
    }

    async fn run(
        &self,
        owner: &Owner,
        id: &str,
    ) -> Result<Metered<Option<StoredRun>>, Unavailable> {
        self.call(Call::Run, self.ports.run(owner, id)).await
    }

    async fn runs(
        &self,
        owner: &Owner,
        limit: usize,
    ) -> Result<Metered<Vec<StoredRun>>, Unavailable> {
        self.call(Call::Run, self.ports.runs(owner, limit)).await
    }

    async fn put_run(
        &self,
        owner: &Owner,
        id: &str,
        run: &StoredRun,
        expires_at: i64,
    ) -> Result<Metered<bool>, Unavailable> {
        self.call(Call::Run, self.ports.put_run(owner, id, run, expires_at)).await
    }

    async fn take_lease(
        &self,
        owner: &Owner,
        lease: &Lease,
        now: Timestamp,
    ) -> Result<Metered<Option<Lease>>, Unavailable> {
        self.call(Call::Lease, self.ports.take_lease(owner, lease, now)).await
    }

    async fn lease(&self, owner: &Owner) -> Result<Metered<Option<Lease>>, Unavailable> {
        self.call(Call::Lease, self.ports.lease(owner)).await
    }

    async fn release_lease(&self, owner: &Owner, token: &str) -> Result<Units, Unavailable> {
        self.call(Call::Lease, self.ports.release_lease(owner, token)).await
    }
}

impl<P: LetterEraser> LetterEraser for Faulty<P> {
    async fn chunks_behind(
        &self,
        owner: &Owner,
        last: Option<(&str, u32)>,
    ) -> Result<Vec<FiledChunk>, Unavailable> {
        self.call(Call::Erase, self.ports.chunks_behind(owner, last)).await
    }

    async fn delete_letter(&self, owner: &Owner, id: &str) -> Result<(), Unavailable> {
        self.call(Call::Erase, self.ports.delete_letter(owner, id)).await
    }

    async fn delete_chunks(
        &self,
        owner: &Owner,
        id: &str,
        numbers: &[u32],
    ) -> Result<(), Unavailable> {
        self.call(Call::Erase, self.ports.delete_chunks(owner, id, numbers)).await
    }
}

impl<P: Objects> Objects for Faulty<P> {
    async fn object(&self, bucket: &str, key: &str) -> Result<Object, Unavailable> {
        self.call(Call::Reread, self.ports.object(bucket, key)).await
    }
}

impl<P: Reread> Reread for Faulty<P> {
    async fn reread(
        &self,
        offsets: &Offsets,
        given_up: Receipt,
    ) -> Result<Option<Again>, Unavailable> {
        self.call(Call::Reread, self.ports.reread(offsets, given_up)).await
    }
}
