//! Queues: create, change, list, purge, delete and describe.

use std::collections::BTreeMap;
use std::time::Duration;

use rusqlite::{OptionalExtension, Row, params};

use super::Queues;
use crate::rejection::{Rejection, SqsError};
use crate::settings::{QueueName, QueueSettings, Redrive};

/// How full a queue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLevels {
    /// Messages that wait for a receiver, including delayed messages.
    pub waiting: u64,
    /// Messages in flight.
    pub in_hand: u64,
    /// The time since the oldest message was sent.
    pub oldest_age: Option<Duration>,
}

/// A queue that exists.
pub(crate) struct Queue {
    /// The number of the queue in receipt handles.
    pub(crate) id: i64,
    pub(crate) name: QueueName,
    pub(crate) settings: QueueSettings,
    created_at: i64,
    modified_at: i64,
}

impl Queues<'_> {
    pub(crate) fn queue(&self, name: &QueueName) -> Result<Queue, SqsError> {
        self.find_queue(name)?.ok_or_else(|| Rejection::QueueDoesNotExist.into())
    }

    pub(crate) fn find_queue(&self, name: &QueueName) -> Result<Option<Queue>, SqsError> {
        let mut select = self.transaction.prepare_cached("SELECT * FROM queues WHERE name = ?1")?;
        Ok(select.query_row([name], read_queue).optional()?)
    }

    /// Creates the queue, or accepts an existing queue with the same attributes.
    pub(crate) fn create_queue(
        &mut self,
        name: &QueueName,
        attributes: &BTreeMap<String, String>,
    ) -> Result<(), SqsError> {
        match self.find_queue(name)? {
            None => self.insert_queue(name, &QueueSettings::default().with(attributes)?),
            Some(queue) if queue.settings.clone().with(attributes)? == queue.settings => Ok(()),
            Some(_) => Err(Rejection::QueueNameExists.into()),
        }
    }

    /// Creates the queue, or updates the settings of the existing queue.
    pub(crate) fn ensure_queue(
        &mut self,
        name: &QueueName,
        settings: &QueueSettings,
    ) -> Result<(), SqsError> {
        match self.find_queue(name)? {
            None => self.insert_queue(name, settings),
            Some(queue) => self.set(&queue, settings),
        }
    }

    fn insert_queue(&mut self, name: &QueueName, settings: &QueueSettings) -> Result<(), SqsError> {
        self.transaction.execute(
            "INSERT INTO queues (name, created_at, modified_at, visibility_timeout, retention,
                                 delay, receive_wait, maximum_bytes)
             VALUES (?1, ?2, ?2, 0, 0, 0, 0, 0)",
            params![name, self.now_millis],
        )?;
        self.set(&self.queue(name)?, settings)
    }

    pub(crate) fn set(&mut self, queue: &Queue, settings: &QueueSettings) -> Result<(), SqsError> {
        let redrive = settings.redrive.as_ref();
        if let Some(redrive) = redrive
            && self.find_queue(&redrive.dead_letter_queue)?.is_none()
        {
            return Err(Rejection::InvalidParameterValue(format!(
                "Value {} for parameter RedrivePolicy is invalid. Reason: Dead letter target does \
                 not exist.",
                redrive.dead_letter_queue.arn()
            ))
            .into());
        }
        self.transaction.execute(
            "UPDATE queues SET modified_at = ?2, visibility_timeout = ?3, retention = ?4,
                 delay = ?5, receive_wait = ?6, maximum_bytes = ?7, dead_letter_queue = ?8,
                 max_receive_count = ?9
             WHERE id = ?1",
            params![
                queue.id,
                self.now_millis,
                settings.visibility_timeout_seconds,
                settings.retention_seconds,
                settings.delay_seconds,
                settings.receive_wait_seconds,
                settings.maximum_message_bytes,
                redrive.map(|redrive| &redrive.dead_letter_queue),
                redrive.map(|redrive| redrive.max_receive_count),
            ],
        )?;
        Ok(())
    }

    /// The first names after `after` that start with `prefix`, in alphabetical order.
    pub(crate) fn list(
        &self,
        prefix: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<QueueName>, SqsError> {
        let mut select = self.transaction.prepare_cached(
            "SELECT name FROM queues WHERE substr(name, 1, length(?1)) = ?1 AND name > ?2
             ORDER BY name LIMIT ?3",
        )?;
        let names = select.query_map(params![prefix, after, limit], |row| row.get(0))?;
        Ok(names.collect::<Result<_, _>>()?)
    }

    /// Deletes the queue and all its messages.
    pub(crate) fn delete_queue(&mut self, queue: &Queue) -> Result<(), SqsError> {
        self.transaction.execute("DELETE FROM queues WHERE id = ?1", [queue.id])?;
        self.woken.insert(queue.name.clone());
        Ok(())
    }

    pub(crate) fn purge(&mut self, queue: &Queue) -> Result<(), SqsError> {
        self.transaction.execute("DELETE FROM messages WHERE queue = ?1", [queue.id])?;
        Ok(())
    }

    /// How full the queue is.
    pub(crate) fn levels(&mut self, name: &QueueName) -> Result<QueueLevels, SqsError> {
        let queue = self.queue(name)?;
        self.tidy(&queue)?;
        let counts = self.count(&queue)?;
        let mut select = self
            .transaction
            .prepare_cached("SELECT MIN(sent_at) FROM messages WHERE queue = ?1")?;
        let oldest: Option<i64> = select.query_row([queue.id], |row| row.get(0))?;
        let age = oldest.map(|sent_at| u64::try_from(self.now_millis - sent_at).unwrap_or(0));
        Ok(QueueLevels {
            waiting: u64::try_from(counts.visible + counts.delayed).unwrap_or(0),
            in_hand: u64::try_from(counts.in_flight).unwrap_or(0),
            oldest_age: age.map(Duration::from_millis),
        })
    }

    /// All attributes that SQS returns for the queue.
    pub(crate) fn attributes(
        &mut self,
        queue: &Queue,
    ) -> Result<BTreeMap<&'static str, String>, SqsError> {
        self.tidy(queue)?;
        let counts = self.count(queue)?;
        let mut attributes = queue.settings.attributes();
        attributes.extend([
            ("QueueArn", queue.name.arn()),
            ("CreatedTimestamp", (queue.created_at / 1000).to_string()),
            ("LastModifiedTimestamp", (queue.modified_at / 1000).to_string()),
            ("ApproximateNumberOfMessages", counts.visible.to_string()),
            ("ApproximateNumberOfMessagesNotVisible", counts.in_flight.to_string()),
            ("ApproximateNumberOfMessagesDelayed", counts.delayed.to_string()),
        ]);
        Ok(attributes)
    }
}

pub(super) fn read_queue(row: &Row<'_>) -> rusqlite::Result<Queue> {
    let redrive = match row.get("max_receive_count")? {
        Some(max_receive_count) => {
            Some(Redrive { dead_letter_queue: row.get("dead_letter_queue")?, max_receive_count })
        }
        None => None,
    };
    Ok(Queue {
        id: row.get("id")?,
        name: row.get("name")?,
        created_at: row.get("created_at")?,
        modified_at: row.get("modified_at")?,
        settings: QueueSettings {
            visibility_timeout_seconds: row.get("visibility_timeout")?,
            retention_seconds: row.get("retention")?,
            delay_seconds: row.get("delay")?,
            receive_wait_seconds: row.get("receive_wait")?,
            maximum_message_bytes: row.get("maximum_bytes")?,
            redrive,
        },
    })
}
