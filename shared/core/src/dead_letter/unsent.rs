//! Messages about what could not be sent to a feed and never can: the state of a subject after a commit.
//! They hold no record, because the ledger does: a replay sends the subject's history and state again.

use serde::{Deserialize, Serialize};

use crate::base::error::{Reason, Unavailable};
use crate::base::id::{SubjectId, SubjectKey, TenantId};
use crate::base::time::Timestamp;
use crate::dead_letter::message::Message;
use crate::dead_letter::text::bounded;

/// The code of letters about what could not be sent.
pub const UNDELIVERABLE: &str = "undeliverable";

/// Something that could not be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unsent {
    /// The tenant.
    pub tenant: String,
    /// The subject as `kind/id`.
    pub subject: String,
    /// The commit: `<era>.<version>`.
    pub undelivered_commit: String,
    /// The reason, for people.
    pub message: String,
    /// When it was given up.
    pub given_up_at: Timestamp,
}

impl Unsent {
    /// Something of a subject.
    pub fn of(subject: &SubjectKey, commit: String, reason: &str, now: Timestamp) -> Self {
        Self {
            tenant: subject.tenant().to_string(),
            subject: subject.subject().to_string(),
            undelivered_commit: commit,
            message: bounded(reason).to_owned(),
            given_up_at: now,
        }
    }

    /// The message for the dead-letter queue.
    ///
    /// # Errors
    /// A bug: the text cannot be written.
    pub fn message(&self) -> Result<Message, Unavailable> {
        let body = serde_json::to_string(self);
        let body = body.map_err(|fault| Unavailable::new(Reason::Bug, fault.to_string()))?;
        Ok(Message { tenant: TenantId::parse(&self.tenant).ok(), body })
    }

    /// Parses a message; `None` if it is about something else.
    pub fn read(body: &str) -> Option<(TenantId, SubjectId, Self)> {
        let unsent: Self = serde_json::from_str(body).ok()?;
        let tenant = TenantId::parse(&unsent.tenant).ok()?;
        let subject = SubjectId::parse(&unsent.subject).ok()?;
        Some((tenant, subject, unsent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::scope::TenantScope;

    #[test]
    fn a_message_is_read_as_it_was_written() {
        let key = TenantScope::stored_subject("T#demo#S#device#d-1").expect("a subject");
        let now = Timestamp::from_millis(5).expect("in range");
        let unsent = Unsent::of(&key, "0.7".to_owned(), &"too large ".repeat(1_000), now);
        assert!(unsent.message.len() < 5_000);
        let message = unsent.message().expect("JSON");
        assert_eq!(message.tenant.as_ref(), Some(key.tenant()));
        let read = Unsent::read(&message.body).expect("it is one");
        assert_eq!(read, (key.tenant().clone(), key.subject().clone(), unsent));
        assert_eq!(Unsent::read("{}"), None);
        assert_eq!(Unsent::read(&message.body.replace("demo", "#")), None);
    }
}
