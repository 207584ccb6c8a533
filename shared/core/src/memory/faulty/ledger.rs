//! Faults of the ledger and its listing index.

use super::{Call, Fault, Faulty};
use crate::base::cost::{Metered, Units};
use crate::base::error::{Reason, Unavailable};
use crate::ledger::dialogue::WriteAnswer;
use crate::ledger::shard::Shard;
use crate::ledger::{LedgerWrite, PageRange, PageWrite, StoredHead, StoredPage};
use crate::ports::{Eraser, Listing, Store, SubjectLocation};

impl<P> Faulty<P> {
    /// One call of a subject, unless its table is broken.
    async fn of_subject<T>(
        &self,
        call: Call,
        location: &SubjectLocation,
        done: impl Future<Output = Result<T, Unavailable>> + Send,
    ) -> Result<T, Unavailable> {
        let broken = self.broken_table(location);
        let done = async {
            match broken {
                Some(reason) => Err(call.unavailable(reason)),
                None => done.await,
            }
        };
        self.call(call, done).await
    }
}

/// What a store says of a write of which it knows nothing.
fn unknown(reason: Reason) -> Metered<WriteAnswer> {
    Metered { answer: WriteAnswer::Unknown(reason), units: Units::default() }
}

impl<P: Store> Store for Faulty<P> {
    async fn head(
        &self,
        location: &SubjectLocation,
    ) -> Result<Metered<Option<StoredHead>>, Unavailable> {
        self.of_subject(Call::Head, location, self.ports.head(location)).await
    }

    async fn pages(
        &self,
        location: &SubjectLocation,
        range: &PageRange,
    ) -> Result<Metered<Vec<StoredPage>>, Unavailable> {
        self.of_subject(Call::Pages, location, self.ports.pages(location, range)).await
    }

    async fn seal(
        &self,
        location: &SubjectLocation,
        page: &PageWrite,
    ) -> Result<Metered<()>, Unavailable> {
        self.of_subject(Call::Seal, location, self.ports.seal(location, page)).await
    }

    async fn write(
        &self,
        location: &SubjectLocation,
        write: &LedgerWrite,
    ) -> Result<Metered<WriteAnswer>, Unavailable> {
        let fault = self.next(Call::Write);
        match self.broken_table(location) {
            // A store tells no more of a write, because it may have been done.
            Some(reason @ (Reason::Throttled | Reason::Unreachable)) => return Ok(unknown(reason)),
            Some(reason) => return Err(Call::Write.unavailable(reason)),
            None => {}
        }
        match fault {
            Fault::None => self.ports.write(location, write).await,
            Fault::Refused => Err(Call::Write.unreachable()),
            Fault::HotKey => Ok(unknown(Reason::HotKey)),
            Fault::LostBefore => Ok(unknown(Reason::Unreachable)),
            // The caller pays without knowing what for.
            Fault::LostAfter => {
                let Metered { units, .. } = self.ports.write(location, write).await?;
                Ok(Metered { units, ..unknown(Reason::Unreachable) })
            }
        }
    }
}

impl<P: Eraser> Eraser for Faulty<P> {
    async fn replace_unlisted(
        &self,
        location: &SubjectLocation,
        head: &StoredHead,
    ) -> Result<bool, Unavailable> {
        match self.next(Call::Write) {
            Fault::None => self.ports.replace_unlisted(location, head).await,
            Fault::Refused => Err(Call::Write.unreachable()),
            Fault::HotKey | Fault::LostBefore => Ok(false),
            Fault::LostAfter => {
                self.ports.replace_unlisted(location, head).await?;
                Ok(false)
            }
        }
    }

    async fn delete_pages(
        &self,
        location: &SubjectLocation,
        up_to: &[u8],
    ) -> Result<usize, Unavailable> {
        self.call(Call::Erase, self.ports.delete_pages(location, up_to)).await
    }
}

impl<P: Listing> Listing for Faulty<P> {
    async fn hours(
        &self,
        shard: &Shard,
        below: Option<&str>,
        limit: usize,
    ) -> Result<Metered<Vec<String>>, Unavailable> {
        self.call(Call::Listing, self.ports.hours(shard, below, limit)).await
    }
}
