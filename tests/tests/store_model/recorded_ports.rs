//! The ports: the ledger and the registry on AWS, and queues in memory. They record the real answers of the
//! store. [`Faulty`](drover_core::memory::Faulty) wraps these ports, so the pipeline may get other answers.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drover_aws::Aws;
use drover_core::base::cost::Metered;
use drover_core::base::error::Unavailable;
use drover_core::base::time::Timestamp;
use drover_core::dead_letter::message::Message;
use drover_core::intake::document::{DocumentName, StoredDocument};
use drover_core::ledger::codec::decode_head;
use drover_core::ledger::dialogue::WriteAnswer;
use drover_core::ledger::{Head, LedgerWrite, PageRange, PageWrite, StoredHead, StoredPage};
use drover_core::memory::{Call, Fault};
use drover_core::ports::{Buffer, Clock, DeadLetters, Documents, Store, SubjectLocation, Together};
use fastrand::Rng;

pub(crate) struct RecordedPorts {
    aws: Aws,
    noted: Mutex<Noted>,
}

/// The recorded events.
pub(crate) struct Noted {
    pub(crate) letters: Vec<Message>,
    pub(crate) buffer: Vec<Message>,
    /// The heads that the store confirmed as written, by subject.
    pub(crate) written: BTreeMap<String, Vec<Head>>,
    /// Writes without an answer of the store itself.
    pub(crate) unanswered: u64,
    pub(crate) lost_conditions: u64,
    pub(crate) sealed: u64,
    /// Writes of a head with pages.
    pub(crate) corrections: u64,
}

/// One call of the ledger or of a queue in so many fails.
const FAULT_IN: u8 = 20;

/// Faults at random.
pub(crate) fn faults(mut random: Rng) -> impl FnMut(Call) -> Fault + Send {
    move |call| {
        if call == Call::Document || random.u8(..FAULT_IN) != 0 {
            return Fault::None;
        }
        [Fault::Refused, Fault::LostBefore, Fault::LostAfter][random.usize(..3)]
    }
}

impl RecordedPorts {
    pub(crate) fn new(aws: Aws) -> Self {
        let noted = Noted {
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

    /// The store without faults.
    pub(crate) fn store(&self) -> &Aws {
        &self.aws
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

impl Store for RecordedPorts {
    async fn head(
        &self,
        location: &SubjectLocation,
    ) -> Result<Metered<Option<StoredHead>>, Unavailable> {
        self.aws.head(location).await
    }

    async fn pages(
        &self,
        location: &SubjectLocation,
        range: &PageRange,
    ) -> Result<Metered<Vec<StoredPage>>, Unavailable> {
        self.aws.pages(location, range).await
    }

    async fn together(
        &self,
        location: &SubjectLocation,
        key: &[u8],
    ) -> Result<Metered<Together>, Unavailable> {
        self.aws.together(location, key).await
    }

    async fn seal(
        &self,
        location: &SubjectLocation,
        page: &PageWrite,
    ) -> Result<Metered<()>, Unavailable> {
        let sealed = self.aws.seal(location, page).await?;
        self.noted().sealed += 1;
        Ok(sealed)
    }

    async fn write(
        &self,
        location: &SubjectLocation,
        write: &LedgerWrite,
    ) -> Result<Metered<WriteAnswer>, Unavailable> {
        let done = self.aws.write(location, write).await?;
        self.note(location, write, &done.answer);
        Ok(done)
    }
}

impl DeadLetters for RecordedPorts {
    async fn send_letters(&self, messages: &[Message]) -> Vec<Result<(), Unavailable>> {
        self.noted().letters.extend_from_slice(messages);
        messages.iter().map(|_| Ok(())).collect()
    }
}

impl Buffer for RecordedPorts {
    async fn send_buffered(&self, messages: &[Message]) -> Vec<Result<(), Unavailable>> {
        self.noted().buffer.extend_from_slice(messages);
        messages.iter().map(|_| Ok(())).collect()
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

    /// Shorter than requested: a pause only lets other tasks run.
    async fn pause(&self, duration: Duration) {
        self.aws.pause(duration / 10).await;
    }

    fn random(&self) -> u64 {
        self.aws.random()
    }
}
