//! The texts in which records are stored: JSON.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::base::error::{Reason, Unavailable};

/// The text of a record.
///
/// # Errors
/// A bug: it cannot be written.
pub(super) fn written(record: &impl Serialize) -> Result<String, Unavailable> {
    serde_json::to_string(record).map_err(|fault| Unavailable::new(Reason::Bug, fault.to_string()))
}

/// Reads a record. `what` names it in the error.
///
/// # Errors
/// Another release wrote it, or it is damaged.
pub(super) fn read<T: DeserializeOwned>(text: &str, what: &str) -> Result<T, Unavailable> {
    let damaged = |_| Unavailable::new(Reason::Corrupt, format!("invalid stored {what}"));
    serde_json::from_str(text).map_err(damaged)
}
