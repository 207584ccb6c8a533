//! The writer's thread: writes all waiting calls in one transaction and answers them after its
//! commit. It also deletes old records periodically.

use std::collections::BTreeMap;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use drover_core::base::error::Unavailable;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::append::AppendError;
use super::appending::Appending;
use super::file::{FileError, broken, now_millis};
use super::limits::Keep;
use super::offset_index::{OffsetIndex, Seen};
use super::request::{Part, Written};
use super::tidy;
use crate::TopicName;

/// The maximum size of one transaction.
const GROUP_WRITES: usize = 1024;
const GROUP_BYTES: usize = 16 * 1024 * 1024;
/// How often old records are deleted.
const TIDY_EVERY: Duration = Duration::from_secs(10);

/// A write, with its answer channel.
pub(super) enum Write {
    /// Records.
    Append {
        topic: TopicName,
        parts: Vec<Part>,
        answer: oneshot::Sender<Result<Vec<Written>, AppendError>>,
        /// The space that the records occupy in the queue.
        _room: OwnedSemaphorePermit,
    },
    /// Committed offsets of a group.
    Commit {
        group: String,
        topic: String,
        offsets: BTreeMap<i32, i64>,
        answer: oneshot::Sender<Result<(), Unavailable>>,
    },
}

/// The writing view of the file.
pub(super) struct Writer {
    connection: Connection,
    offset_index: Arc<OffsetIndex>,
    keep: Option<Keep>,
    tidied: Instant,
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        offset_index: Arc<OffsetIndex>,
        keep: Option<Keep>,
    ) -> Self {
        Self { connection, offset_index, keep, tidied: Instant::now() }
    }

    /// Runs until all senders of the channel are dropped.
    pub(super) fn run(mut self, writes: &mpsc::Receiver<Write>) {
        loop {
            match writes.recv_timeout(TIDY_EVERY) {
                Ok(first) => self.write(with_what_waits(first, writes)),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
            if self.tidied.elapsed() >= TIDY_EVERY {
                self.tidied = Instant::now();
                self.tidy();
            }
        }
    }

    fn tidy(&mut self) {
        let Some(keep) = &self.keep else { return };
        match tidy::tidy(&mut self.connection, keep, now_millis()) {
            Ok(seen) => self.offset_index.saw(&seen),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot delete old records"
                );
            }
        }
    }

    /// Writes all or nothing, then answers.
    fn write(&mut self, group: Vec<Write>) {
        match self.commit(&group) {
            Ok((written, seen)) => {
                self.offset_index.saw(&seen);
                let answers = group.into_iter().zip(written);
                answers.for_each(|(write, result)| write.answer(result));
            }
            Err(error) => {
                let unavailable = broken(error);
                tracing::error!(error = %unavailable, causes = unavailable.causes(), "cannot write to the event log");
                let failed = || Err(AppendError::Unavailable(unavailable.clone()));
                group.into_iter().for_each(|write| write.answer(failed()));
            }
        }
    }

    fn commit(&mut self, group: &[Write]) -> Result<(Vec<Answer>, Vec<Seen>), FileError> {
        // Immediate, so that no other process can commit between reading an end and writing it.
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut appending = Appending::new(transaction, now_millis());
        let written: Result<Vec<Answer>, FileError> = group
            .iter()
            .map(|write| match write {
                Write::Append { topic, parts, .. } => appending.append(topic, parts),
                Write::Commit { group, topic, offsets, .. } => {
                    appending.commit_offsets(group, topic, offsets).map(|()| Ok(Vec::new()))
                }
            })
            .collect();
        let (written, seen) = (written?, appending.finish()?);
        Ok((written, seen))
    }
}

/// The result of one write after the commit.
type Answer = Result<Vec<Written>, AppendError>;

impl Write {
    /// Fails if the caller is gone; its records stay.
    fn answer(self, result: Answer) {
        match self {
            Self::Append { answer, .. } => drop(answer.send(result)),
            Self::Commit { answer, .. } => {
                drop(answer.send(result.map(drop).map_err(AppendError::into_unavailable)));
            }
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Append { parts, .. } => parts.iter().map(|part| part.bytes.len()).sum(),
            Self::Commit { .. } => 0,
        }
    }
}

/// The first write and those that wait behind it, up to the limits of one transaction.
fn with_what_waits(first: Write, writes: &mpsc::Receiver<Write>) -> Vec<Write> {
    let mut bytes = first.bytes();
    let mut group = vec![first];
    while group.len() < GROUP_WRITES && bytes < GROUP_BYTES {
        let Ok(next) = writes.try_recv() else { break };
        bytes += next.bytes();
        group.push(next);
    }
    group
}
