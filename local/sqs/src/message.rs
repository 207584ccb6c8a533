//! Validated messages and receipt handles: a [`NewMessage`] may be stored, a [`ReceiptHandle`]
//! identifies a message of one queue. The checksum that clients compare is here too.

use md5::{Digest as _, Md5};

use super::attributes::Attributes;
use super::protocol::SendMessage;
use super::rejection::{Rejection, within};
use super::text::{hex, sound};

/// A valid message. The store checks its size, because the limit belongs to the queue.
pub(super) struct NewMessage {
    pub(super) body: String,
    pub(super) attributes: Attributes,
    pub(super) group_id: Option<String>,
    pub(super) delay_seconds: Option<u32>,
}

impl NewMessage {
    pub(super) fn parse(message: SendMessage) -> Result<Self, Rejection> {
        if message.message_body.is_empty() {
            return Err(Rejection::MissingParameter("MessageBody"));
        }
        if message.message_deduplication_id.is_some() {
            return Err(Rejection::InvalidParameterValue(
                "The request includes a parameter that is not valid for this queue type. Reason: \
                 MessageDeduplicationId is for FIFO queues."
                    .to_owned(),
            ));
        }
        let delay = message.delay_seconds;
        Ok(Self {
            body: sound(message.message_body)?,
            attributes: Attributes::parse(message.message_attributes)?,
            group_id: message.message_group_id.map(group_id).transpose()?,
            delay_seconds: delay.map(|delay| within("DelaySeconds", delay, 0..=900)).transpose()?,
        })
    }

    /// The size that counts towards SQS's limits.
    pub(super) fn bytes(&self) -> usize {
        self.body.len() + self.attributes.bytes()
    }
}

fn group_id(text: String) -> Result<String, Rejection> {
    if text.is_empty() || text.len() > 128 || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Rejection::InvalidParameterValue(
            "MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128 in \
             length."
                .to_owned(),
        ));
    }
    Ok(text)
}

/// Identifies one message of one queue, from one of its receives.
///
/// The message id distinguishes a message that was moved back from a dead-letter queue: the moved
/// message is a new message in the same row, and handles of the old message must not reach it.
#[derive(Debug, PartialEq)]
pub(super) struct ReceiptHandle {
    pub(super) queue: i64,
    pub(super) row: i64,
    pub(super) message_id: String,
}

impl ReceiptHandle {
    pub(super) fn parse(text: &str, queue: i64) -> Result<Self, Rejection> {
        let parsed = || {
            let bytes = base64_simd::STANDARD.decode_to_vec(text).ok()?;
            let plain = String::from_utf8(bytes).ok()?;
            let mut parts = plain.splitn(4, ' ');
            let queue = parts.next()?.parse().ok()?;
            let row = parts.next()?.parse().ok()?;
            let message_id = parts.next()?.to_owned();
            Some(Self { queue, row, message_id })
        };
        let ours = parsed().filter(|handle| handle.queue == queue);
        ours.ok_or(Rejection::ReceiptHandleIsInvalid)
    }

    /// The text of the handle, which differs for each receive.
    pub(super) fn text(&self, receive_count: u32) -> String {
        let Self { queue, row, message_id } = self;
        base64_simd::STANDARD
            .encode_to_string(format!("{queue} {row} {message_id} {receive_count}"))
    }
}

/// `MD5OfMessageBody`.
pub(super) fn body_md5(body: &str) -> String {
    hex(Md5::new_with_prefix(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_read_back_for_its_own_queue_only() {
        let handle = ReceiptHandle { queue: 3, row: 9, message_id: "m".to_owned() };
        assert_ne!(handle.text(1), handle.text(2));
        assert_eq!(ReceiptHandle::parse(&handle.text(2), 3), Ok(handle));
        for text in ["", "bm9uc2Vuc2U=", "no base64!"] {
            assert_eq!(ReceiptHandle::parse(text, 3), Err(Rejection::ReceiptHandleIsInvalid));
        }
        let other = ReceiptHandle { queue: 4, row: 9, message_id: "m".to_owned() }.text(1);
        assert_eq!(ReceiptHandle::parse(&other, 3), Err(Rejection::ReceiptHandleIsInvalid));
    }

    #[test]
    fn the_checksum_of_a_body_is_its_md5_in_hex() {
        assert_eq!(body_md5("hello"), "5d41402abc4b2a76b9719d911017c592");
    }
}
