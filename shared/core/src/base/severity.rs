//! How serious an alert is. Rules name a severity, and metrics count alerts by it.

use serde::{Deserialize, Serialize};

/// How serious an episode is, and the alert about it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// For the record.
    Info,
    /// Look at it when there is time.
    #[default]
    Warning,
    /// Something is broken.
    Error,
    /// Look at it now.
    Critical,
}

impl Severity {
    /// Every severity, the lowest first.
    pub const ALL: [Self; 4] = [Self::Info, Self::Warning, Self::Error, Self::Critical];

    /// The word in documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}
