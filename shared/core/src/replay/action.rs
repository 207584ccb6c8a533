//! The action of a run.

use serde::{Deserialize, Serialize};

/// The action of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Sends letters through the pipeline again.
    Replay,
    /// Parks letters.
    Park,
}
