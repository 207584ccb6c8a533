//! Stores each message of the dead-letter queue as a letter. A message is acknowledged only after
//! its letter is stored. Storing a message again is idempotent.

use drover_core::base::cost::Metered;
use drover_core::base::error::{Reason, Unavailable};
use drover_core::base::metrics::Metric;
use drover_core::base::time::Timestamp;
use drover_core::dead_letter::letter::Owner;
use drover_core::replay::filing::{file, read};
use futures_util::stream::{FuturesUnordered, StreamExt as _};

use crate::queue::{BatchOutcome, Message};
use crate::{Environment, ReplayPorts, ReplaySources};

/// Letters that are stored concurrently. A letter is unpacked only while it is being stored.
const TOGETHER: usize = 16;

impl<W: ReplayPorts, B: ReplaySources> Environment<W, B> {
    /// Stores each message as a letter.
    pub(crate) async fn file(&self, messages: &[Message], deadline: Timestamp) -> BatchOutcome {
        let all = messages.iter().enumerate();
        self.file_these(all, deadline, BatchOutcome::default()).await
    }

    /// Stores the given messages of a batch as letters. The index in the batch identifies a
    /// message, because other messages of the batch may be done already.
    pub(crate) async fn file_these<'m>(
        &self,
        mut messages: impl Iterator<Item = (usize, &'m Message)>,
        deadline: Timestamp,
        mut taken: BatchOutcome,
    ) -> BatchOutcome {
        let mut running = FuturesUnordered::new();
        loop {
            while running.len() < TOGETHER
                && let Some((place, message)) = messages.next()
            {
                running.push(self.file_at(place, message, deadline));
            }
            let Some((place, message, filed)) = running.next().await else { return taken };
            match filed {
                Ok((owner, Metered { answer: is_new, units })) => {
                    let counts = taken.tally.of(owner.tenant());
                    counts.add_units(units);
                    if is_new {
                        counts.add(Metric::DeadLettersFiled);
                    }
                }
                Err(unavailable) => {
                    let message_id = &*message.message_id;
                    tracing::warn!(
                        message_id,
                        why = unavailable.message,
                        "a dead letter could not be stored"
                    );
                    taken.failed.insert(place);
                }
            }
        }
    }

    async fn file_at<'m>(
        &self,
        place: usize,
        message: &'m Message,
        deadline: Timestamp,
    ) -> (usize, &'m Message, Result<(Owner, Metered<bool>), Unavailable>) {
        (place, message, self.file_one(message, deadline).await)
    }

    async fn file_one(
        &self,
        message: &Message,
        deadline: Timestamp,
    ) -> Result<(Owner, Metered<bool>), Unavailable> {
        let now = self.ports.now();
        if now >= deadline {
            return Err(Unavailable::new(Reason::Deadline, "the invocation is about to time out"));
        }
        let filing = read(&message.received(), now)?;
        let filed = file(&self.ports, &filing).await?;
        Ok((filing.owner, filed))
    }
}
