//! What a run does.

use serde::{Deserialize, Serialize};

/// What is done with letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// They go through the pipeline again.
    Replay,
    /// They are put aside.
    Park,
}
