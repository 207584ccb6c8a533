//! Ports that fail on demand, over any ports: [`Faulty`] asks before each call whether that call fails,
//! and how. What does not fail goes to the ports inside.
//!
//! A fault that loses an answer ([`Fault::LostAfter`]) lets the ports inside do the call, and then fails.
//! A call of several messages or events asks once for each of them.

mod intake;
mod ledger;
mod letters;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::base::dependency::Dependency;
use crate::base::error::{Reason, Unavailable};
use crate::base::time::Timestamp;
use crate::ports::{Clock, SubjectLocation};

/// What every fault on demand says, as services do: no tenant may ever see it.
pub const SAID_BY_A_SERVICE: &str = "User: arn:aws:iam::123456789012:role/canary is not authorized to perform: \
     dynamodb:Query on resource: table/canary-ledger";

/// A call that may fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `Store::head`
    Head,
    /// `Store::pages`
    Pages,
    /// `Store::seal`
    Seal,
    /// `Store::write`, `Eraser::replace_unlisted`
    Write,
    /// `Eraser::delete_pages`, and what `LetterEraser` does
    Erase,
    /// `DeadLetters::send_letters`, once for each message
    Letter,
    /// `Buffer::send_buffered`, once for each message
    Buffer,
    /// `Documents::document`
    Document,
    /// `Listing::hours`
    Listing,
    /// `Requests::claim`
    Claim,
    /// `EventLog::send`, once for each event
    EventLog,
    /// `Letters::put_chunks` and `put_letter`
    File,
    /// `Letters::replace_letter`
    Mark,
    /// What reads letters and their contents
    Filed,
    /// What reads and writes the records of runs
    Run,
    /// What reads and writes leases
    Lease,
    /// `Reread::reread` and `Objects::object`
    Reread,
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not at all.
    None,
    /// Nothing is done, and the caller is told so.
    Refused,
    /// Nothing is done, because this one key is asked for too often.
    HotKey,
    /// The caller is not told whether the call was done: here it was not.
    LostBefore,
    /// The same, and here it was.
    LostAfter,
}

/// Ports of which calls fail on demand. Clones share the faults.
#[derive(Clone)]
pub struct Faulty<P> {
    ports: P,
    faults: Arc<Mutex<Faults>>,
}

struct Faults {
    /// Asked before each call.
    next: Box<dyn FnMut(Call) -> Fault + Send>,
    /// Tenants' own tables of which every call fails, and why.
    broken_tables: BTreeMap<String, Reason>,
}

impl<P> Faulty<P> {
    /// Over these ports; no call fails.
    pub fn over(ports: P) -> Self {
        let faults = Faults { next: Box::new(|_| Fault::None), broken_tables: BTreeMap::new() };
        Self { ports, faults: Arc::new(Mutex::new(faults)) }
    }

    /// From now on, this decides which calls fail.
    pub fn fail(&self, faults: impl FnMut(Call) -> Fault + Send + 'static) {
        self.faults().next = Box::new(faults);
    }

    /// From now on, no call fails, those of broken tables apart.
    pub fn fail_nothing(&self) {
        self.fail(|_| Fault::None);
    }

    /// From now on, every call of the ledger in this table of a tenant fails.
    pub fn break_table(&self, table: &str, reason: Reason) {
        self.faults().broken_tables.insert(table.to_owned(), reason);
    }

    /// From now on, no table is broken.
    pub fn mend_tables(&self) {
        self.faults().broken_tables.clear();
    }

    /// A panic of another test thread does not matter here.
    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self, call: Call) -> Fault {
        (self.faults().next)(call)
    }

    /// Why the table of a subject fails, if it does.
    fn broken_table(&self, location: &SubjectLocation) -> Option<Reason> {
        let table = location.table.as_ref()?;
        self.faults().broken_tables.get(&**table).copied()
    }

    /// One call, unless it is to fail before it is done.
    async fn call<T>(
        &self,
        call: Call,
        done: impl Future<Output = Result<T, Unavailable>> + Send,
    ) -> Result<T, Unavailable> {
        match self.next(call) {
            Fault::None => done.await,
            Fault::LostAfter => {
                done.await?;
                Err(call.unreachable())
            }
            Fault::HotKey => Err(call.unavailable(Reason::HotKey)),
            Fault::Refused | Fault::LostBefore => Err(call.unreachable()),
        }
    }

    /// One call for several items, of which some are to fail. Where none is, the ports inside get all of them
    /// at once, and otherwise one after the other.
    async fn each<'a, T, E, F>(
        &self,
        call: Call,
        items: &'a [T],
        send: impl Fn(&'a [T]) -> F,
    ) -> Vec<Result<(), E>>
    where
        F: Future<Output = Vec<Result<(), E>>>,
        E: From<Unavailable>,
    {
        let faults: Vec<Fault> = items.iter().map(|_| self.next(call)).collect();
        if faults.iter().all(|fault| *fault == Fault::None) {
            return send(items).await;
        }
        let mut answers = Vec::new();
        for (item, fault) in items.iter().zip(faults) {
            if matches!(fault, Fault::None | Fault::LostAfter) {
                answers.extend(send(std::slice::from_ref(item)).await);
            }
            match (fault, answers.last_mut()) {
                (Fault::None, _) => {}
                (Fault::LostAfter, Some(answer)) => *answer = Err(call.unreachable().into()),
                _ => answers.push(Err(call.unreachable().into())),
            }
        }
        answers
    }
}

/// What a test does besides: it reads and changes what is inside.
impl<P> Deref for Faulty<P> {
    type Target = P;

    fn deref(&self) -> &P {
        &self.ports
    }
}

impl<P: Clock> Clock for Faulty<P> {
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

impl Call {
    fn unreachable(self) -> Unavailable {
        self.unavailable(Reason::Unreachable)
    }

    fn unavailable(self, reason: Reason) -> Unavailable {
        Unavailable::new(reason, SAID_BY_A_SERVICE).of(self.dependency())
    }

    /// The part of the system that the call is for.
    const fn dependency(self) -> Dependency {
        match self {
            Self::Head | Self::Pages | Self::Seal | Self::Write | Self::Erase | Self::Listing => {
                Dependency::LedgerTable
            }
            Self::Letter => Dependency::DeadLetterQueue,
            Self::Buffer => Dependency::BufferQueue,
            Self::Document => Dependency::Registry,
            Self::Claim => Dependency::RequestsTable,
            Self::EventLog => Dependency::EventLog,
            Self::File | Self::Mark | Self::Filed | Self::Run | Self::Lease => {
                Dependency::LettersTable
            }
            Self::Reread => Dependency::ObjectStore,
        }
    }
}
