//! Drains the buffer queue: records that waited for an unavailable dependency go through the
//! pipeline again, with their original time of receipt.
//!
//! A record that still cannot be applied stays in its message. It is never sent to the queue again,
//! so it keeps its age and SQS counts its receives. SQS deletes a message 14 days after it was
//! sent. A record that has waited for nine days ([`BUFFERED_SECONDS`]) and cannot be applied is
//! therefore stored as a letter with the code `unavailable`, which a replay resolves. A record that
//! the pipeline rejects goes to dead letters as usual. A record keeps its owner: if its route now
//! leads to another tenant, it is rejected, as in a replay. A message that is not a whole record (a
//! part of a larger record, or a foreign message) is stored as a letter for a replay. So is a
//! letter that the dead-letter queue rejected and that was sent here instead.

use std::collections::{BTreeMap, BTreeSet};

use drover_core::base::time::Timestamp;
use drover_core::dead_letter::envelope::UNAVAILABLE;
use drover_core::dead_letter::opened::{Opened, open};
use drover_core::pipeline::{Buffered, Disposition, Report};
use drover_core::replay::filing::{Filing, read};

use crate::limits::BUFFERED_SECONDS;
use crate::queue::{BatchOutcome, Message};
use crate::{Environment, ReplayPorts, ReplaySources};

impl<W: ReplayPorts, B: ReplaySources> Environment<W, B> {
    /// Sends the batch's records through the pipeline in one call. Stores messages that hold no
    /// record, or are too old to wait, as letters.
    pub(crate) async fn drain(&self, messages: &[Message], deadline: Timestamp) -> BatchOutcome {
        let now = self.ports.now();
        let (mut records, mut others) = (BTreeMap::new(), BTreeMap::new());
        let mut unread = BTreeSet::new();
        for (place, message) in messages.iter().enumerate() {
            match read(&message.received(), now).map(|filing| self.record(filing)) {
                Ok(Some(record)) => {
                    records.insert(place, record);
                }
                Ok(None) => {
                    others.insert(place, message);
                }
                Err(unavailable) => {
                    let message_id = &*message.message_id;
                    tracing::warn!(
                        message_id,
                        why = unavailable.message,
                        "a buffered message could not be read"
                    );
                    unread.insert(place);
                }
            }
        }
        let is_old = |message: &Message| message.is_older_than(BUFFERED_SECONDS, now);
        // Leave time for storing letters.
        let until = if messages.iter().any(is_old) { halfway(now, deadline) } else { deadline };
        let mut taken = self.process(records, until).await;
        for place in std::mem::replace(&mut taken.failed, unread) {
            match messages.get(place).filter(|message| is_old(message)) {
                Some(message) => {
                    let message_id = &*message.message_id;
                    tracing::warn!(
                        message_id,
                        "a buffered record is too old to wait and is stored as a letter"
                    );
                    others.insert(place, message);
                }
                None => {
                    taken.failed.insert(place);
                }
            }
        }
        self.file_these(others.into_iter(), deadline, taken).await
    }

    async fn process(
        &self,
        records: BTreeMap<usize, Buffered>,
        deadline: Timestamp,
    ) -> BatchOutcome {
        let (places, records): (Vec<usize>, Vec<Buffered>) = records.into_iter().unzip();
        match self.pipeline.drain(&self.ports, records, deadline).await {
            Ok(Report { dispositions, tally }) => {
                let outcomes = places.into_iter().zip(dispositions);
                let failed: BTreeSet<usize> = outcomes
                    .filter_map(|(place, disposition)| stays_queued(disposition).then_some(place))
                    .collect();
                BatchOutcome { failed, tally }
            }
            Err(open) => {
                tracing::error!(%open, "the circuit breaker is open, the buffer is not drained");
                BatchOutcome { failed: places.into_iter().collect(), ..BatchOutcome::default() }
            }
        }
    }

    /// The record of a message. `None`: the message holds no whole record, or a rejected record.
    fn record(&self, filing: Filing) -> Option<Buffered> {
        let Filing { owner, mut letter, chunks } = filing;
        if letter.code != UNAVAILABLE || u32::try_from(chunks.len()) != Ok(letter.chunks) {
            return None;
        }
        letter.restamp(self.limits.retention);
        let frame: Vec<u8> = chunks.into_iter().flat_map(|chunk| chunk.bytes).collect();
        match open(&owner, &letter, &frame, self.limits.retention) {
            Opened::Record(incoming) => Some(Buffered { owner: owner.tenant().cloned(), incoming }),
            Opened::Records(_)
            | Opened::Offsets(_)
            | Opened::Object { .. }
            | Opened::Subject(_)
            | Opened::Notification(_)
            | Opened::Message { .. }
            | Opened::Unreadable(_) => None,
        }
    }
}

const fn stays_queued(disposition: Disposition) -> bool {
    match disposition {
        Disposition::Applied
        | Disposition::Duplicate
        | Disposition::Ignored
        | Disposition::DeadLettered(_) => false,
        // The pipeline sends nothing to the buffer here: the record stays in its message.
        Disposition::Buffered | Disposition::Returned => true,
    }
}

fn halfway(now: Timestamp, deadline: Timestamp) -> Timestamp {
    let left = deadline.micros().saturating_sub(now.micros()).max(0);
    Timestamp::from_micros(now.micros().saturating_add(left / 2)).unwrap_or(deadline)
}
