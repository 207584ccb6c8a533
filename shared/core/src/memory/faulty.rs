//! Ports with injected faults: [`Faulty`] wraps any ports. Before each call, a closure decides whether and
//! how the call fails. Calls that do not fail go to the wrapped ports.
//!
//! [`Fault::LostAfter`] executes the call on the wrapped ports and then returns an error. For a call with
//! several messages or events, the closure decides for each of them.

mod intake;
mod ledger;
mod letters;
mod notifications;
mod outputs;
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

/// The message of every injected fault, in the style of AWS services. Tests check that no tenant sees it.
pub const SAID_BY_A_SERVICE: &str = "User: arn:aws:iam::123456789012:role/canary is not authorized to perform: \
     dynamodb:Query on resource: table/canary-ledger";

/// A call that may fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `Store::head`
    Head,
    /// `Store::pages` and `together`
    Pages,
    /// `Store::seal`
    Seal,
    /// `Store::write`, `Eraser::replace_unlisted`
    Write,
    /// `Eraser::delete_pages` and all calls of `LetterEraser`
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
    /// `Letters::letter`, `letters` and `contents`
    Filed,
    /// `Letters::run`, `runs` and `put_run`
    Run,
    /// `Letters::take_lease`, `lease` and `release_lease`
    Lease,
    /// `Timers::entries` and `armed_minute`
    TimerRead,
    /// `Timers::put_entry`, `delete_entry` and `replace_armed_minute`
    TimerWrite,
    /// `Timers::sweep_state` and `replace_sweep_state`
    SweepState,
    /// `Alerts::alerts` and `list_alerts`
    AlertRead,
    /// `Alerts::write_alerts`
    AlertWrite,
    /// `Notifications::send_looks` and `postpone`
    Look,
    /// `DeliveryRecords::deliveries`
    DeliveryRead,
    /// `DeliveryRecords::replace_delivery` and `put_simulated`
    DeliveryWrite,
    /// `Reread::reread` and `Objects::object`
    Reread,
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The call does not fail.
    None,
    /// The call is not executed and returns an error.
    Refused,
    /// The call is not executed, because its key is throttled.
    HotKey,
    /// The call is not executed, and its result is unknown to the caller.
    LostBefore,
    /// The call is executed, and its result is unknown to the caller.
    LostAfter,
}

/// Ports with injected faults. Clones share the faults.
#[derive(Clone)]
pub struct Faulty<P> {
    ports: P,
    faults: Arc<Mutex<Faults>>,
}

struct Faults {
    /// Decides about the next call.
    next: Box<dyn FnMut(Call) -> Fault + Send>,
    /// Tenants' own tables whose calls all fail, with the reason.
    broken_tables: BTreeMap<String, Reason>,
}

impl<P> Faulty<P> {
    /// Wraps these ports. No call fails.
    pub fn over(ports: P) -> Self {
        let faults = Faults { next: Box::new(|_| Fault::None), broken_tables: BTreeMap::new() };
        Self { ports, faults: Arc::new(Mutex::new(faults)) }
    }

    /// Sets the closure that decides which calls fail.
    pub fn fail(&self, faults: impl FnMut(Call) -> Fault + Send + 'static) {
        self.faults().next = Box::new(faults);
    }

    /// Makes all calls succeed, except those of broken tables.
    pub fn fail_nothing(&self) {
        self.fail(|_| Fault::None);
    }

    /// Makes every ledger call on this tenant's own table fail.
    pub fn break_table(&self, table: &str, reason: Reason) {
        self.faults().broken_tables.insert(table.to_owned(), reason);
    }

    /// Repairs all broken tables.
    pub fn mend_tables(&self) {
        self.faults().broken_tables.clear();
    }

    /// Ignores poisoning: a panic of another test thread does not matter.
    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self, call: Call) -> Fault {
        (self.faults().next)(call)
    }

    /// Why the table of a subject fails. `None`: the table is not broken.
    fn broken_table(&self, location: &SubjectLocation) -> Option<Reason> {
        let table = location.table.as_ref()?;
        self.faults().broken_tables.get(&**table).copied()
    }

    /// Executes one call with its fault.
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

    /// Executes one call for several items, each with its own fault. Without a fault, the wrapped ports get
    /// one call with all items; otherwise they get one call for each item.
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

/// Gives tests access to the wrapped ports.
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

    /// The dependency that the call goes to.
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
            Self::TimerRead
            | Self::TimerWrite
            | Self::SweepState
            | Self::AlertRead
            | Self::AlertWrite => Dependency::OutputsTable,
            Self::Look => Dependency::NotificationsQueue,
            Self::DeliveryRead | Self::DeliveryWrite => Dependency::OutputsTable,
            Self::Reread => Dependency::ObjectStore,
        }
    }
}
