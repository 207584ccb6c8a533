//! What happens to alerts, as people and programs are told.

use serde::{Deserialize, Serialize};

/// What happened to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum News {
    /// It fires.
    Opened,
    /// Its opening moved, or its severity fell, because of a late event.
    Moved,
    /// Its severity rose.
    Raised,
    /// A person acknowledged it.
    Acknowledged,
    /// It is over.
    Resolved,
    /// A late event proved it wrong.
    Retracted,
    /// Not one alert: several of a backlog.
    Digest,
}

impl News {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Opened,
        Self::Moved,
        Self::Raised,
        Self::Acknowledged,
        Self::Resolved,
        Self::Retracted,
        Self::Digest,
    ];

    /// The word for people and programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Moved => "moved",
            Self::Raised => "raised",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
            Self::Retracted => "retracted",
            Self::Digest => "digest",
        }
    }

    /// Whether the alert is over.
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Resolved | Self::Retracted)
    }
}
