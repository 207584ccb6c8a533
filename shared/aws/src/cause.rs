//! The words of an error and of those behind it, as the log takes them. The errors themselves are not
//! kept: one of the SDK holds the response, with items in it.

use std::error::Error;

use crate::said::Said;

/// What an error says, and why.
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
