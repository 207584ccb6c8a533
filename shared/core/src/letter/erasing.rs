//! Taking letters away. For a person with rights of their own: no function deletes letters.

use std::future::Future;

use super::{Letters, Owner};
use crate::base::error::Unavailable;

/// A chunk of a content, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FiledChunk {
    /// The id of its letter, which may be there or not.
    pub id: String,
    /// Which, from 1.
    pub number: u32,
    /// A piece of the packed content.
    pub bytes: Vec<u8>,
}

/// A table of letters from which some can be taken away.
pub trait LetterEraser: Letters {
    /// Some of the chunks behind this one, in the order of their letters' ids and of their numbers;
    /// none: there are no more.
    fn chunks_behind(
        &self,
        owner: &Owner,
        last: Option<(&str, u32)>,
    ) -> impl Future<Output = Result<Vec<FiledChunk>, Unavailable>> + Send;

    /// Deletes a letter, if it is there, and leaves its content.
    fn delete_letter(
        &self,
        owner: &Owner,
        id: &str,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;

    /// Deletes chunks of a content, those that are there.
    fn delete_chunks(
        &self,
        owner: &Owner,
        id: &str,
        numbers: &[u32],
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;
}
