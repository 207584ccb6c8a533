//! The buffer queue: records that waited for a part of the system which was unavailable go through
//! the pipeline again, with the time at which they entered.
//!
//! A record that still cannot be applied comes again with its own message: it is never put into the
//! queue a second time, so it keeps its age and SQS counts its tries. SQS deletes a message 14 days
//! after it was sent; so a record that has waited for nine days ([`BUFFERED_SECONDS`]) and cannot be
//! applied is filed as a letter of the code `unavailable`, which a replay resolves. What the pipeline
//! rejects goes to the dead letters, like everybody's. Whose it was when it came here it still is: a record that
//! its route gives to another tenant by now is rejected, as a replay rejects it. A message that is no
//! whole record (a part of a larger one, or none of ours) is filed as a letter, from where a replay
//! takes it; and so is a letter that the dead-letter queue refused, which was sent here in its place.

use std::collections::{BTreeMap, BTreeSet};

use drover_core::base::time::Timestamp;
use drover_core::dead_letter::envelope::UNAVAILABLE;
use drover_core::dead_letter::opened::{Opened, open};
use drover_core::pipeline::{Buffered, Disposition, Report};
use drover_core::replay::filing::{Filing, read};

use crate::limits::BUFFERED_SECONDS;
use crate::queue::{Message, Taken};
use crate::{Environment, ReplayPorts, ReplaySources};

impl<W: ReplayPorts, B: ReplaySources> Environment<W, B> {
    /// Takes the records of a batch through the pipeline, in one call, and files what is no record
    /// or is too old to wait any longer.
    pub(crate) async fn drain(&self, messages: &[Message], deadline: Timestamp) -> Taken {
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
                    tracing::warn!(message_id, why = unavailable.message, "not read");
                    unread.insert(place);
                }
            }
        }
        let is_old = |message: &Message| message.is_older_than(BUFFERED_SECONDS, now);
        // Letters need time, too.
        let until = if messages.iter().any(is_old) { halfway(now, deadline) } else { deadline };
        let mut taken = self.process(records, until).await;
        for place in std::mem::replace(&mut taken.failed, unread) {
            match messages.get(place).filter(|message| is_old(message)) {
                Some(message) => {
                    let message_id = &*message.message_id;
                    tracing::warn!(message_id, "a buffered record is too old to wait: it is filed");
                    others.insert(place, message);
                }
                None => {
                    taken.failed.insert(place);
                }
            }
        }
        self.file_these(others.into_iter(), deadline, taken).await
    }

    async fn process(&self, records: BTreeMap<usize, Buffered>, deadline: Timestamp) -> Taken {
        let (places, records): (Vec<usize>, Vec<Buffered>) = records.into_iter().unzip();
        match self.pipeline.drain(&self.ports, records, deadline).await {
            Ok(Report { dispositions, tally }) => {
                let outcomes = places.into_iter().zip(dispositions);
                let failed: BTreeSet<usize> = outcomes
                    .filter_map(|(place, disposition)| comes_again(disposition).then_some(place))
                    .collect();
                Taken { failed, tally }
            }
            Err(open) => {
                tracing::error!(%open, "the buffer is not drained");
                Taken { failed: places.into_iter().collect(), ..Taken::default() }
            }
        }
    }

    /// The record of a message; `None`: it brings no whole one, or one that was rejected already.
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
            | Opened::Message { .. }
            | Opened::Unreadable(_) => None,
        }
    }
}

const fn comes_again(disposition: Disposition) -> bool {
    match disposition {
        Disposition::Applied
        | Disposition::Duplicate
        | Disposition::Ignored
        | Disposition::DeadLettered(_) => false,
        // The buffer takes nothing here, and its message stays the record's place.
        Disposition::Buffered | Disposition::Returned => true,
    }
}

fn halfway(now: Timestamp, deadline: Timestamp) -> Timestamp {
    let left = deadline.micros().saturating_sub(now.micros()).max(0);
    Timestamp::from_micros(now.micros().saturating_add(left / 2)).unwrap_or(deadline)
}
