//! The entries of a page, encoded once: their size decides whether the page is a keyframe.

use std::sync::Arc;

use super::ITEM_ROOM;
use super::columns::write_entries;
use super::texts::{Effort, pack};
use super::wire::Writer;
use crate::event::Entry;

/// Entries as they stand in a page that is no keyframe. In a keyframe their texts are packed with its opening.
#[derive(Clone, Debug)]
pub(crate) struct EncodedEntries(Vec<u8>);

impl EncodedEntries {
    /// Encodes entries.
    pub(crate) fn of(entries: &[Arc<Entry>]) -> Self {
        let (mut out, mut texts) = (Writer::with_room(ITEM_ROOM), Writer::for_texts(entries));
        write_entries(&mut out, &mut texts, entries);
        pack(&mut out, &texts.into_bytes(), Effort::High);
        Self(out.into_bytes())
    }

    /// The size in bytes.
    pub(crate) fn size(&self) -> usize {
        self.0.len()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}
