//! Messages: send, receive, hide, delete.

use rusqlite::{OptionalExtension, Row, params};
use uuid::Uuid;

use super::{Queue, Queues};
use crate::attributes::Attributes;
use crate::message::{NewMessage, ReceiptHandle};
use crate::rejection::{Rejection, SqsError};
use crate::settings::QueueName;

/// The limits of a receive.
pub(crate) struct Want {
    /// 1 to 10 for clients; may be more inside the process.
    pub(crate) maximum: u32,
    /// The maximum sum of the message sizes, each including [`EXTRA_BYTES`].
    pub(crate) maximum_bytes: usize,
    /// Defaults to the queue's timeout.
    pub(crate) visibility_timeout_seconds: Option<u32>,
}

/// The size of a message besides body and attributes: ids, times and checksums.
pub(crate) const EXTRA_BYTES: usize = 1024;

/// The result of a receive.
pub(crate) struct Received {
    /// In the order in which they became due.
    pub(crate) deliveries: Vec<Delivery>,
    /// If nothing is due: the time until the next message that the queue holds becomes due.
    pub(crate) next_due_in_millis: Option<i64>,
}

/// A message that a receiver holds.
pub(crate) struct Delivery {
    pub(crate) handle: ReceiptHandle,
    pub(crate) body: String,
    pub(crate) attributes: Attributes,
    pub(crate) group_id: Option<String>,
    pub(crate) sent_at: i64,
    pub(crate) first_received_at: i64,
    /// Including this receive.
    pub(crate) receive_count: u32,
    /// The source queue, if the message was received there too often.
    pub(crate) redriven_from: Option<QueueName>,
}

impl Delivery {
    /// The size that counts towards [`Want::maximum_bytes`].
    pub(crate) fn bytes(&self) -> usize {
        self.body.len() + self.attributes.bytes() + EXTRA_BYTES
    }
}

/// SQS's three counts of a queue's messages.
#[derive(Debug, PartialEq)]
pub(super) struct Counts {
    pub(super) visible: i64,
    pub(super) in_flight: i64,
    pub(super) delayed: i64,
}

impl Queues<'_> {
    pub(crate) fn send(
        &mut self,
        queue: &Queue,
        new_message: &NewMessage,
        message_id: Uuid,
    ) -> Result<(), SqsError> {
        let maximum = queue.settings.maximum_message_bytes;
        if u32::try_from(new_message.bytes()).map_or(true, |bytes| bytes > maximum) {
            return Err(Rejection::InvalidParameterValue(format!(
                "One or more parameters are invalid. Reason: Message must be shorter than \
                 {maximum} bytes."
            ))
            .into());
        }
        let delay_seconds = new_message.delay_seconds.unwrap_or(queue.settings.delay_seconds);
        let mut insert = self.transaction.prepare_cached(
            "INSERT INTO messages (queue, message_id, body, attributes, group_id, sent_at, due_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        insert.execute(params![
            queue.id,
            message_id.to_string(),
            new_message.body,
            new_message.attributes,
            new_message.group_id,
            self.now_millis,
            self.after(delay_seconds),
        ])?;
        self.woken.insert(queue.name.clone());
        Ok(())
    }

    /// Takes messages that are due and hides them for the visibility timeout.
    pub(crate) fn receive(&mut self, queue: &Queue, want: &Want) -> Result<Received, SqsError> {
        self.tidy(queue)?;
        let due = self.due(queue, want)?;
        let timeout_seconds =
            want.visibility_timeout_seconds.unwrap_or(queue.settings.visibility_timeout_seconds);
        let mut hide = self.transaction.prepare_cached(
            "UPDATE messages SET due_at = ?2, receive_count = ?3, first_received_at = ?4
             WHERE id = ?1",
        )?;
        for delivery in &due {
            hide.execute(params![
                delivery.handle.row,
                self.after(timeout_seconds),
                delivery.receive_count,
                delivery.first_received_at,
            ])?;
        }
        let next_due_in_millis = if due.is_empty() { self.next_due_in(queue)? } else { None };
        Ok(Received { deliveries: due, next_due_in_millis })
    }

    fn due(&self, queue: &Queue, want: &Want) -> Result<Vec<Delivery>, SqsError> {
        let mut select = self.transaction.prepare_cached(
            "SELECT * FROM messages WHERE queue = ?1 AND due_at <= ?2
             ORDER BY due_at, id LIMIT ?3",
        )?;
        let mut rows = select.query(params![queue.id, self.now_millis, want.maximum])?;
        let (mut due, mut bytes_left) = (Vec::new(), want.maximum_bytes);
        while let Some(row) = rows.next()? {
            let delivery = read_delivery(row, self.now_millis)?;
            match bytes_left.checked_sub(delivery.bytes()) {
                Some(rest) => bytes_left = rest,
                None => break,
            }
            due.push(delivery);
        }
        Ok(due)
    }

    fn next_due_in(&self, queue: &Queue) -> Result<Option<i64>, SqsError> {
        let mut select =
            self.transaction.prepare_cached("SELECT MIN(due_at) FROM messages WHERE queue = ?1")?;
        let due_at: Option<i64> = select.query_row([queue.id], |row| row.get(0))?;
        Ok(due_at.map(|due_at| due_at - self.now_millis))
    }

    /// Deletes the message. A message that is already deleted is not an error.
    pub(crate) fn delete(&mut self, handle: &ReceiptHandle) -> Result<(), SqsError> {
        let mut delete = self.transaction.prepare_cached(
            "DELETE FROM messages WHERE id = ?1 AND queue = ?2 AND message_id = ?3",
        )?;
        delete.execute(params![handle.row, handle.queue, handle.message_id])?;
        Ok(())
    }

    /// Makes a message in flight due in this many seconds.
    pub(crate) fn change_visibility(
        &mut self,
        queue: &Queue,
        handle: &ReceiptHandle,
        timeout_seconds: u32,
    ) -> Result<(), SqsError> {
        let mut select = self.transaction.prepare_cached(
            "SELECT due_at > ?4 AND receive_count > 0 FROM messages
             WHERE id = ?1 AND queue = ?2 AND message_id = ?3",
        )?;
        let message = params![handle.row, handle.queue, handle.message_id, self.now_millis];
        match select.query_row(message, |row| row.get(0)).optional()? {
            None => Err(Rejection::InvalidParameterValue(
                "Value for parameter ReceiptHandle is invalid. Reason: Message does not exist or \
                 is not available for visibility timeout change."
                    .to_owned(),
            )
            .into()),
            Some(false) => Err(Rejection::MessageNotInflight.into()),
            Some(true) => {
                self.transaction
                    .prepare_cached("UPDATE messages SET due_at = ?2 WHERE id = ?1")?
                    .execute(params![handle.row, self.after(timeout_seconds)])?;
                self.woken.insert(queue.name.clone());
                Ok(())
            }
        }
    }

    pub(super) fn count(&self, queue: &Queue) -> Result<Counts, SqsError> {
        let mut select = self.transaction.prepare_cached(
            "SELECT COUNT(*) FILTER (WHERE due_at <= ?2),
                    COUNT(*) FILTER (WHERE due_at > ?2 AND receive_count > 0),
                    COUNT(*) FILTER (WHERE due_at > ?2 AND receive_count = 0)
             FROM messages WHERE queue = ?1",
        )?;
        Ok(select.query_row(params![queue.id, self.now_millis], |row| {
            Ok(Counts { visible: row.get(0)?, in_flight: row.get(1)?, delayed: row.get(2)? })
        })?)
    }

    fn after(&self, seconds: u32) -> i64 {
        self.now_millis.saturating_add(i64::from(seconds) * 1000)
    }
}

fn read_delivery(row: &Row<'_>, now_millis: i64) -> rusqlite::Result<Delivery> {
    let received_before: u32 = row.get("receive_count")?;
    let first_received_at: Option<i64> = row.get("first_received_at")?;
    Ok(Delivery {
        handle: ReceiptHandle {
            queue: row.get("queue")?,
            row: row.get("id")?,
            message_id: row.get("message_id")?,
        },
        body: row.get("body")?,
        attributes: row.get("attributes")?,
        group_id: row.get("group_id")?,
        sent_at: row.get("sent_at")?,
        first_received_at: first_received_at.unwrap_or(now_millis),
        receive_count: received_before.saturating_add(1),
        redriven_from: row.get("redriven_from")?,
    })
}
