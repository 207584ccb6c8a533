//! Changes over time: messages expire, and move to the dead-letter queue. No background task does
//! that; each action on a queue first brings the queue up to date. The move back to the source is
//! here too.
//!
//! A message in a dead-letter queue is still the same message, with its sending time and so its
//! retention, but its receive count restarts at zero. A message that is moved back is a new
//! message.

use rusqlite::params;
use uuid::Uuid;

use super::queues::read_queue;
use super::{Queue, Queues};
use crate::rejection::SqsError;
use crate::settings::QueueName;

impl Queues<'_> {
    /// Brings the queue up to date, after its source queues: a message must reach its dead-letter
    /// queue even when nothing receives from the source.
    pub(super) fn tidy(&mut self, queue: &Queue) -> Result<(), SqsError> {
        for source in self.sources(queue)? {
            self.tidy_one(&source)?;
        }
        self.tidy_one(queue)
    }

    fn tidy_one(&mut self, queue: &Queue) -> Result<(), SqsError> {
        let kept_since = self.now_millis - i64::from(queue.settings.retention_seconds) * 1000;
        self.transaction
            .prepare_cached("DELETE FROM messages WHERE queue = ?1 AND sent_at <= ?2")?
            .execute(params![queue.id, kept_since])?;

        let Some(redrive) = &queue.settings.redrive else { return Ok(()) };
        // Without its dead-letter queue, a message continues to be received, as in SQS.
        let Some(dead) = self.find_queue(&redrive.dead_letter_queue)? else { return Ok(()) };
        let mut redriven = self.transaction.prepare_cached(
            "UPDATE messages SET queue = ?1, redriven_from = ?2, due_at = ?3, receive_count = 0
             WHERE queue = ?4 AND receive_count >= ?5 AND due_at <= ?3",
        )?;
        let moved = redriven.execute(params![
            dead.id,
            queue.name,
            self.now_millis,
            queue.id,
            redrive.max_receive_count,
        ])?;
        if moved > 0 {
            self.woken.insert(dead.name);
        }
        Ok(())
    }

    /// The queues that use this queue as their dead-letter queue.
    pub(crate) fn sources(&self, queue: &Queue) -> Result<Vec<Queue>, SqsError> {
        let mut select =
            self.transaction.prepare_cached("SELECT * FROM queues WHERE dead_letter_queue = ?1")?;
        let sources = select.query_map([&queue.name], read_queue)?;
        Ok(sources.collect::<Result<_, _>>()?)
    }

    /// Moves due messages to the destination, or each message to its source. A message stays if it
    /// was sent to the dead-letter queue directly, or if its source no longer exists.
    pub(crate) fn move_messages(
        &mut self,
        from: &Queue,
        destination: Option<&Queue>,
        mut new_id: impl FnMut() -> Uuid,
    ) -> Result<(), SqsError> {
        self.tidy(from)?;
        for step in self.movable(from, destination)? {
            self.transaction
                .prepare_cached(
                    "UPDATE messages SET queue = ?2, message_id = ?3, sent_at = ?4, due_at = ?4,
                         receive_count = 0, first_received_at = NULL, redriven_from = NULL
                     WHERE id = ?1",
                )?
                .execute(params![step.row, step.target, new_id().to_string(), self.now_millis])?;
            self.woken.insert(step.target_name);
        }
        Ok(())
    }

    fn movable(&self, from: &Queue, destination: Option<&Queue>) -> Result<Vec<Step>, SqsError> {
        let mut select = self.transaction.prepare_cached(
            "SELECT messages.id, target.id, target.name
             FROM messages JOIN queues target ON target.name = COALESCE(?1, redriven_from)
             WHERE queue = ?2 AND due_at <= ?3",
        )?;
        let destination = destination.map(|queue| &queue.name);
        let steps = select.query_map(params![destination, from.id, self.now_millis], |row| {
            Ok(Step { row: row.get(0)?, target: row.get(1)?, target_name: row.get(2)? })
        })?;
        Ok(steps.collect::<Result<_, _>>()?)
    }
}

/// The move of one message to its target.
struct Step {
    row: i64,
    target: i64,
    target_name: QueueName,
}
