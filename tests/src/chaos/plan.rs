//! The size of a run.

use std::path::PathBuf;

/// The size of a run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The path of the `drover` program.
    pub program: PathBuf,
    /// The data folder of the host.
    pub data: PathBuf,
    /// The seed of all random choices.
    pub seed: u64,
    /// Subjects per tenant.
    pub devices: usize,
    /// Events per subject.
    pub events: usize,
    /// Concurrent clients per tenant.
    pub clients: usize,
    /// How often the host is killed.
    pub kills: usize,
}
