//! The texts of an error and its sources, for the log. The errors themselves are dropped, because an error of
//! the SDK contains the response with its items.

use std::error::Error;

use crate::said::Said;

/// The text of an error and its source.
#[derive(Debug, thiserror::Error)]
#[error("{said}")]
pub(super) struct Cause {
    said: String,
    source: Option<Box<Cause>>,
}

impl Cause {
    /// The chain of an error.
    pub(super) fn of(error: &(dyn Error + 'static)) -> Self {
        let source = error.source().map(|source| Box::new(Self::of(source)));
        Self { said: Said(&error.to_string()).to_string(), source }
    }
}
