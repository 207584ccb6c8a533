//! The size of a run.

use std::path::PathBuf;

/// How much of everything.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The `drover` program.
    pub program: PathBuf,
    /// Where the host keeps its data.
    pub data: PathBuf,
    /// What is drawn is drawn from this.
    pub seed: u64,
    /// Subjects of each tenant.
    pub devices: usize,
    /// Events of each subject.
    pub events: usize,
    /// Clients of each tenant that send at once.
    pub clients: usize,
    /// How often the host is killed.
    pub kills: usize,
}
