//! What people did about an alert: each act has a remark that says who, when and why.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::time::Timestamp;

/// What people did about an alert.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acts {
    /// The last acknowledgement.
    pub acknowledged: Option<Remark>,
    /// Nobody is told until then.
    pub snoozed: Option<Snooze>,
    /// Nobody is told until a person enables it again.
    pub disabled: Option<Remark>,
    /// A person closed the latched alert.
    pub closed: Option<Remark>,
}

/// A pause in which nobody is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snooze {
    /// Its end.
    pub until: Timestamp,
    /// Who asked for it.
    pub remark: Remark,
}

/// Who acted, when and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// The name of the credentials.
    pub by: Arc<str>,
    /// When.
    pub at: Timestamp,
    /// Why, in the words of the person; may be empty.
    pub note: Arc<str>,
}

/// What a person can do about an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Says that somebody takes care of it.
    Acknowledge,
    /// Tells nobody until then.
    Snooze(Timestamp),
    /// Tells nobody until it is enabled again.
    Disable,
    /// Ends [`Self::Snooze`] and [`Self::Disable`].
    Enable,
    /// Closes a latched alert.
    Close,
}
