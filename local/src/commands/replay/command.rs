//! The wire format of a direct command to the replay function.

use drover_core::replay::Filter;
use serde::Serialize;

/// A command. Without a tenant it applies to the operator's letters.
#[derive(Debug, Serialize)]
#[serde(tag = "action", rename_all = "lowercase")]
pub(super) enum Command {
    /// List letters, or show one letter with its content.
    Inspect {
        #[serde(skip_serializing_if = "Option::is_none")]
        tenant: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<String>,
        state: String,
        limit: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        cursor: Option<String>,
    },
    /// Start a run.
    Replay {
        #[serde(skip_serializing_if = "Option::is_none")]
        tenant: Option<String>,
        by: String,
        filter: Filter,
        dry_run: bool,
        limit: u64,
        rate: u32,
        max_replays: u32,
        views: u32,
    },
    /// Continue a run.
    Resume {
        #[serde(skip_serializing_if = "Option::is_none")]
        tenant: Option<String>,
        by: String,
        replay_id: String,
    },
    /// Cancel a run.
    Cancel {
        #[serde(skip_serializing_if = "Option::is_none")]
        tenant: Option<String>,
        replay_id: String,
    },
    /// Show a run, or the newest runs.
    Show {
        #[serde(skip_serializing_if = "Option::is_none")]
        tenant: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        replay_id: Option<String>,
    },
    /// Set letters aside.
    Park {
        #[serde(skip_serializing_if = "Option::is_none")]
        tenant: Option<String>,
        by: String,
        filter: Filter,
        dry_run: bool,
        limit: u64,
        rate: u32,
    },
}

impl Command {
    pub(super) fn resume(tenant: Option<&str>, by: &str, replay_id: &str) -> Self {
        let (tenant, by) = (tenant.map(str::to_owned), by.to_owned());
        Self::Resume { tenant, by, replay_id: replay_id.to_owned() }
    }

    pub(super) fn cancel(tenant: Option<&str>, replay_id: &str) -> Self {
        Self::Cancel { tenant: tenant.map(str::to_owned), replay_id: replay_id.to_owned() }
    }

    pub(super) fn show(tenant: Option<&str>, replay_id: Option<String>) -> Self {
        Self::Show { tenant: tenant.map(str::to_owned), replay_id }
    }

    /// Whether the command executes a run, which takes time and may end before it is done.
    pub(super) fn works(&self) -> bool {
        match self {
            Self::Replay { .. } | Self::Resume { .. } | Self::Park { .. } => true,
            Self::Inspect { .. } | Self::Cancel { .. } | Self::Show { .. } => false,
        }
    }
}
