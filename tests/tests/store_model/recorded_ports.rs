//! The ports: the ledger and the registry of AWS with faults on top, and queues in memory. Whatever
//! the pipeline is told, what the store answered is noted here.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drover_aws::Aws;
use drover_core::base::cost::{Metered, Units};
use drover_core::base::error::{Reason, Unavailable};
use drover_core::base::time::Timestamp;
use drover_core::dead_letter::message::Message;
use drover_core::intake::document::{DocumentName, StoredDocument};
use drover_core::ledger::codec::decode_head;
use drover_core::ledger::dialogue::WriteAnswer;
use drover_core::ledger::{Head, LedgerWrite, PageRange, PageWrite, StoredHead, StoredPage};
use drover_core::ports::{Buffer, Clock, DeadLetters, Documents, Store, SubjectLocation, Together};
use fastrand::Rng;

pub(crate) struct RecordedPorts {
    aws: Aws,
    noted: Mutex<Noted>,
}

/// What happened.
pub(crate) struct Noted {
    random: Rng,
    /// One call in so many fails; `None`: none does.
    pub(crate) fault_in: Option<u8>,
    pub(crate) letters: Vec<Message>,
    pub(crate) buffer: Vec<Message>,
    /// The heads that the store said were written, by subject.
    pub(crate) written: BTreeMap<String, Vec<Head>>,
    /// Writes whose answer the store itself did not give.
    pub(crate) unanswered: u64,
    pub(crate) lost_conditions: u64,
    pub(crate) sealed: u64,
    /// Writes of a head with pages.
    pub(crate) corrections: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    Refused,
    LostBefore,
    LostAfter,
}

impl RecordedPorts {
    pub(crate) fn new(aws: Aws, random: Rng) -> Self {
        let noted = Noted {
            random,
            fault_in: Some(20),
            letters: Vec::new(),
            buffer: Vec::new(),
            written: BTreeMap::new(),
            unanswered: 0,
            lost_conditions: 0,
            sealed: 0,
            corrections: 0,
        };
        Self { aws, noted: Mutex::new(noted) }
    }

    pub(crate) fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store alone.
    pub(crate) fn store(&self) -> &Aws {
        &self.aws
    }

    fn fault(&self) -> Fault {
        let mut noted = self.noted();
        let fault_in = noted.fault_in;
        match fault_in {
            Some(calls) if noted.random.u8(..calls) == 0 => {
                let faults = [Fault::Refused, Fault::LostBefore, Fault::LostAfter];
                faults[noted.random.usize(..3)]
            }
            _ => Fault::None,
        }
    }

    /// For calls of which it does not matter whether they were done.
    fn answered(&self) -> Result<(), Unavailable> {
        if self.fault() == Fault::None { Ok(()) } else { Err(unreachable()) }
    }

    fn note(&self, location: &SubjectLocation, write: &LedgerWrite, answer: &WriteAnswer) {
        let mut noted = self.noted();
        match answer {
            WriteAnswer::Written => {
                let head = decode_head(&write.head.bytes).expect("a head");
                noted.written.entry(location.key.partition_key()).or_default().push(head);
                noted.corrections += u64::from(!write.pages.is_empty());
            }
            WriteAnswer::Lost(_) => noted.lost_conditions += 1,
            WriteAnswer::Unknown(_) => noted.unanswered += 1,
        }
    }
}

fn unreachable() -> Unavailable {
    Unavailable::new(Reason::Unreachable, "a fault on demand")
}

impl Store for RecordedPorts {
    async fn head(
        &self,
        location: &SubjectLocation,
    ) -> Result<Metered<Option<StoredHead>>, Unavailable> {
        self.answered()?;
        self.aws.head(location).await
    }

    async fn pages(
        &self,
        location: &SubjectLocation,
        range: &PageRange,
    ) -> Result<Metered<Vec<StoredPage>>, Unavailable> {
        self.answered()?;
        self.aws.pages(location, range).await
    }

    async fn together(
        &self,
        location: &SubjectLocation,
        key: &[u8],
    ) -> Result<Metered<Together>, Unavailable> {
        self.answered()?;
        self.aws.together(location, key).await
    }

    async fn seal(
        &self,
        location: &SubjectLocation,
        page: &PageWrite,
    ) -> Result<Metered<()>, Unavailable> {
        let fault = self.fault();
        if matches!(fault, Fault::Refused | Fault::LostBefore) {
            return Err(unreachable());
        }
        let sealed = self.aws.seal(location, page).await?;
        self.noted().sealed += 1;
        if fault == Fault::LostAfter { Err(unreachable()) } else { Ok(sealed) }
    }

    async fn write(
        &self,
        location: &SubjectLocation,
        write: &LedgerWrite,
    ) -> Result<Metered<WriteAnswer>, Unavailable> {
        let answer = WriteAnswer::Unknown(Reason::Unreachable);
        let unknown = Metered { answer, units: Units::default() };
        let fault = self.fault();
        match fault {
            Fault::Refused => return Err(unreachable()),
            Fault::LostBefore => return Ok(unknown),
            Fault::None | Fault::LostAfter => {}
        }
        let done = self.aws.write(location, write).await?;
        self.note(location, write, &done.answer);
        Ok(if fault == Fault::LostAfter { unknown } else { done })
    }
}

impl DeadLetters for RecordedPorts {
    async fn send_letters(&self, messages: &[Message]) -> Vec<Result<(), Unavailable>> {
        let send = |message: &Message| {
            self.answered()?;
            self.noted().letters.push(message.clone());
            Ok(())
        };
        messages.iter().map(send).collect()
    }
}

impl Buffer for RecordedPorts {
    async fn send_buffered(&self, messages: &[Message]) -> Vec<Result<(), Unavailable>> {
        let send = |message: &Message| {
            self.answered()?;
            self.noted().buffer.push(message.clone());
            Ok(())
        };
        messages.iter().map(send).collect()
    }
}

impl Documents for RecordedPorts {
    async fn document(&self, name: &DocumentName) -> Result<Option<StoredDocument>, Unavailable> {
        self.aws.document(name).await
    }
}

impl Clock for RecordedPorts {
    fn now(&self) -> Timestamp {
        self.aws.now()
    }

    /// Shorter than it is asked for: what a pause is for is that others go first.
    async fn pause(&self, duration: Duration) {
        self.aws.pause(duration / 10).await;
    }

    fn random(&self) -> u64 {
        self.aws.random()
    }
}
