//! Writes a record as messages that every queue accepts, in as many parts as needed.

use std::sync::Arc;

use super::{
    Chunk, Circumstances, Content, Encoding, Envelope, PARTS, UNAVAILABLE, base64, broken, chunks,
};
use crate::base::error::{Reason, Rejection, Unavailable};
use crate::base::id::TenantId;
use crate::base::public_reason::PublicReason;
use crate::dead_letter::message::Message;
use crate::dead_letter::text::{bounded, message_body, printable};
use crate::intake::record::{Record, Source};

/// Maximum size of a message. SQS allows 1,048,576 bytes per message and per batch.
pub(super) const MESSAGE_BYTES: usize = 1_000_000;

/// The messages of a rejected record: one message, or its parts.
///
/// # Errors
/// The record could not be encoded. It stays with its source.
pub fn letter(
    record: &Record,
    rejection: &Rejection,
    about: Circumstances<'_>,
) -> Result<Vec<Message>, Unavailable> {
    let code = rejection.code.as_str();
    let mut envelope = Envelope::of(record, code, &rejection.message, about);
    envelope.path = rejection.path.as_deref().map(|path| bounded(path).to_owned());
    messages(envelope, record, about.tenant)
}

/// The messages of a record for the buffer.
///
/// # Errors
/// The record could not be encoded. It stays with its source.
pub fn buffered(
    record: &Record,
    reason: Reason,
    about: Circumstances<'_>,
) -> Result<Vec<Message>, Unavailable> {
    let message = PublicReason::from(reason).message();
    messages(Envelope::of(record, UNAVAILABLE, &message, about), record, about.tenant)
}

impl Envelope {
    /// Splits the envelope of a record into parts that each fit into a message.
    fn split(self, content: &Content) -> Result<Vec<Self>, Unavailable> {
        let pieces = chunks(&content.pack()?);
        let count = u32::try_from(pieces.len()).unwrap_or(u32::MAX);
        if count > PARTS {
            return Err(Unavailable::new(Reason::Bug, "a record has too many parts"));
        }
        let rest = Self { key: None, value: None, headers: Vec::new(), ..self };
        let part = |Chunk { number, bytes }: Chunk| Self {
            value: Some(base64(&bytes)),
            part: (number, count),
            encoding: Some(Encoding::Zstd),
            ..rest.clone()
        };
        Ok(pieces.into_iter().map(part).collect())
    }

    /// The same record packed, with all texts in printable ASCII. The record's content is
    /// unchanged.
    pub(in crate::dead_letter) fn into_packed(
        self,
        tenant: Option<&TenantId>,
    ) -> Result<Vec<Message>, Unavailable> {
        let plain = |text: &String| bounded(&printable(text)).to_owned();
        let plain_arc = |text: Arc<str>| Arc::from(bounded(&printable(&text)));
        let envelope = Self {
            tenant: self.tenant.as_ref().map(plain),
            contract: self.contract.as_ref().map(plain),
            subject: self.subject.as_ref().map(plain),
            code: plain(&self.code),
            path: self.path.as_ref().map(plain),
            message: plain(&self.message),
            source: match self.source.clone() {
                Source::Kafka { topic, partition, offset, timestamp, element } => {
                    Source::Kafka { topic: plain_arc(topic), partition, offset, timestamp, element }
                }
                Source::Http { request_id, index, element } => {
                    Source::Http { request_id: plain_arc(request_id), index, element }
                }
            },
            trace: self.trace.as_ref().map(plain),
            ..self
        };
        let envelopes = match envelope.encoding {
            Some(Encoding::Zstd) => vec![envelope],
            None => {
                let content = envelope.content().map_err(broken)?;
                envelope.split(&content)?
            }
        };
        envelopes.iter().map(|envelope| envelope.message(tenant)).collect()
    }

    fn message(&self, tenant: Option<&TenantId>) -> Result<Message, Unavailable> {
        let body = message_body(self).map_err(broken)?;
        Ok(Message { tenant: tenant.cloned(), body })
    }
}

fn messages(
    envelope: Envelope,
    record: &Record,
    tenant: Option<&TenantId>,
) -> Result<Vec<Message>, Unavailable> {
    let whole = envelope.message(tenant)?;
    if whole.body.len() <= MESSAGE_BYTES {
        return Ok(vec![whole]);
    }
    let Record { key, value, headers, .. } = record.clone();
    let parts = envelope.split(&Content { key, value, headers })?;
    parts.iter().map(|part| part.message(tenant)).collect()
}
