//! Messages about notifications that a target did not take. They hold no notification, because the alert does: a replay
//! has the target told again, as the alert is then.

use serde::{Deserialize, Serialize};

use crate::base::error::{Reason, Unavailable};
use crate::base::id::TenantId;
use crate::base::time::Timestamp;
use crate::dead_letter::message::Message;
use crate::dead_letter::text::bounded;
use crate::outputs::alerts::News;
use crate::outputs::notifications::Look;

/// A notification that was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailedNotification {
    /// The alert and the target.
    pub look: Look,
    /// The news.
    pub news: News,
    /// Their number.
    pub number: u32,
    /// The reason, for people.
    pub message: String,
    /// When they were given up.
    pub given_up_at: Timestamp,
}

impl FailedNotification {
    /// News that a target did not take.
    pub fn of(look: &Look, (news, number): (News, u32), reason: &str, now: Timestamp) -> Self {
        let (look, target) = (Look { again: true, ..look.clone() }, &look.target);
        let message = format!("target=`{target}` news=`{}`: {}", news.as_str(), bounded(reason));
        Self { look, news, number, message, given_up_at: now }
    }

    /// The message for the dead-letter queue.
    ///
    /// # Errors
    /// A bug: the text cannot be written.
    pub fn message(&self) -> Result<Message, Unavailable> {
        let body = serde_json::to_string(self);
        let body = body.map_err(|fault| Unavailable::new(Reason::Bug, fault.to_string()))?;
        Ok(Message { tenant: self.look.tenant(), body })
    }

    /// Parses a message; `None` if it is about something else.
    pub fn read(body: &str) -> Option<(TenantId, Self)> {
        let failed: Self = serde_json::from_str(body).ok()?;
        let look = failed.look.body().ok()?;
        let tenant = Look::read(&look)?.tenant()?;
        Some((tenant, failed))
    }
}
