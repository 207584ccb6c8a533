//! Faults of the ledger and its listing index.

use super::{Call, Fault, Faulty};
use crate::base::cost::{Metered, Units};
use crate::base::error::{Reason, Unavailable};
use crate::ledger::dialogue::WriteAnswer;
use crate::ledger::shard::Shard;
use crate::ledger::{LedgerWrite, PageRange, PageWrite, StoredHead, StoredPage};
use crate::ports::{Eraser, Listing, Store, SubjectLocation, Together};

impl<P> Faulty<P> {
    /// Executes one call for a subject. The call fails if the table is broken.
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

/// The answer to a write whose result is unknown.
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

    async fn together(
        &self,
        location: &SubjectLocation,
        key: &[u8],
    ) -> Result<Metered<Together>, Unavailable> {
        self.of_subject(Call::Pages, location, self.ports.together(location, key)).await
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
            // The result is unknown, because the write may have been executed.
            Some(reason @ (Reason::Throttled | Reason::Unreachable)) => return Ok(unknown(reason)),
            Some(reason) => return Err(Call::Write.unavailable(reason)),
            None => {}
        }
        match fault {
            Fault::None => self.ports.write(location, write).await,
            Fault::Refused => Err(Call::Write.unreachable()),
            Fault::HotKey => Ok(unknown(Reason::HotKey)),
            Fault::LostBefore => Ok(unknown(Reason::Unreachable)),
            // The write has its cost, although its answer is lost.
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
