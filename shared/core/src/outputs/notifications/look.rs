//! The message that has a target told about an alert.

use serde::{Deserialize, Serialize};

use super::stored;
use crate::base::error::Unavailable;
use crate::base::id::{SubjectId, TenantId};
use crate::base::limits;
use crate::outputs::alerts::AlertId;

/// Says that a target may have to be told about an alert.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Look {
    /// Whose alert it is.
    pub tenant: String,
    /// The subject as `kind/id`; `None`: the alert is simulated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The alert.
    pub alert: AlertId,
    /// The name of the target.
    pub target: String,
    /// A dead letter is replayed: what was given up is tried again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
    /// A target that forgets is to be told again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub repeat: bool,
    /// The target's digest is meant, and no alert.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub digest: bool,
}

impl Look {
    /// The body of the message.
    ///
    /// # Errors
    /// A bug: the text cannot be written.
    pub fn body(&self) -> Result<String, Unavailable> {
        stored::written(self)
    }

    /// Reads a body. `None`: it is something else.
    pub fn read(body: &str) -> Option<Self> {
        let look: Self = serde_json::from_str(body).ok()?;
        look.tenant()?;
        let is_subject =
            look.subject.as_ref().is_none_or(|subject| SubjectId::parse(subject).is_ok());
        (is_subject && look.target.len() <= limits::TARGET_ID_BYTES).then_some(look)
    }

    /// The tenant. `None`: the name has another form.
    pub fn tenant(&self) -> Option<TenantId> {
        TenantId::parse(&self.tenant).ok()
    }

    /// The group of the message: a slow target delays no other one.
    pub fn group(&self) -> String {
        [&*self.tenant, "/", &*self.target].concat()
    }
}
