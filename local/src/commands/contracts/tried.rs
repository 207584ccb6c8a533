//! A record that was tried.

use drover_core::intake::trial::Trial;

/// A record that was tried.
pub(super) struct Tried {
    /// Its file.
    pub(super) file: String,
    /// One result for the record, or one for each of its elements.
    pub(super) trials: Vec<Trial>,
}
