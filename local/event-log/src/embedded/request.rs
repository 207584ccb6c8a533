//! The records of one call, encoded by partition on the caller's side. The writer's thread only
//! concatenates them.

use bytes::Bytes;
use drover_core::intake::event_log::partition;

use super::append::{AppendError, RecordLocation};
use super::limits::{PARTITIONS, RECORD_BYTES};
use crate::{NewRecord, chunk};

/// The maximum size of a row, unless it holds a single record.
pub(super) const CHUNK_BYTES: usize = 256 * 1024;

/// Records of one partition, encoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) partition: u32,
    pub(super) count: u32,
    pub(super) bytes: Vec<u8>,
}

/// A partition, and the offset of the first record of a part.
pub(super) type Written = (u32, i64);

/// The position of a record: which part, and which record of the part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Within {
    part: usize,
    index: u32,
}

/// The records of one call.
#[derive(Debug, Default)]
pub(super) struct Request {
    parts: Vec<Part>,
    offset_index: Vec<Within>,
}

impl Request {
    /// Encodes the records. `turn` returns the next round-robin number for a record without a key.
    ///
    /// # Errors
    /// [`AppendError::TooLarge`].
    pub(super) fn new(
        records: &[NewRecord],
        mut turn: impl FnMut() -> usize,
    ) -> Result<Self, AppendError> {
        let mut request = Self::default();
        for (index, record) in records.iter().enumerate() {
            let bytes = record.bytes();
            if bytes > RECORD_BYTES {
                return Err(AppendError::TooLarge { index, bytes });
            }
            request.add(record, partition_of(record.key.as_ref(), &mut turn));
        }
        Ok(request)
    }

    fn add(&mut self, record: &NewRecord, partition: u32) {
        let last = self.parts.iter().rposition(|part| part.partition == partition);
        let open = last.filter(|open| {
            self.parts
                .get(*open)
                .is_some_and(|part| part.bytes.len() + record.bytes() < CHUNK_BYTES)
        });
        let part = open.unwrap_or(self.parts.len());
        if open.is_none() {
            self.parts.push(Part { partition, ..Part::default() });
        }
        if let Some(open) = self.parts.get_mut(part) {
            self.offset_index.push(Within { part, index: open.count });
            chunk::write(record, &mut open.bytes);
            open.count += 1;
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.parts.iter().map(|part| part.bytes.len()).sum()
    }

    /// The parts to write, and the position of each record.
    pub(super) fn split(self) -> (Vec<Part>, Vec<Within>) {
        (self.parts, self.offset_index)
    }
}

impl Within {
    /// The location in the event log, given the first offsets of the parts.
    pub(super) fn among(self, written: &[Written]) -> Option<RecordLocation> {
        let (partition, first) = written.get(self.part)?;
        Some(RecordLocation {
            partition: partition.cast_signed(),
            offset: first + i64::from(self.index),
        })
    }
}

fn partition_of(key: Option<&Bytes>, turn: &mut impl FnMut() -> usize) -> u32 {
    match key {
        Some(key) => partition(key, PARTITIONS),
        None => u32::try_from(turn() % PARTITIONS as usize).unwrap_or(0),
    }
}
