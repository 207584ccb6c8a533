//! The encoding of a chunk: several records of one partition as the bytes of one row. Chunks
//! contain no offsets: the offset of the first record implies the others.
//!
//! One row per record would cost more CPU than the rest of the event log. A record is its length,
//! then its fields. Numbers are little-endian, and a length of `u32::MAX` is null. A reader can
//! skip records without decoding them, and a writer can concatenate chunks.

use bytes::Bytes;

use super::{NewRecord, StoredRecord, TimestampType};

const NULL: u32 = u32::MAX;
const LENGTH_BYTES: usize = size_of::<u32>();

/// The bytes are not a valid chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("damaged chunk in the event log file")]
pub(super) struct Damaged;

/// Appends a record to the chunk.
pub(super) fn write(record: &NewRecord, chunk: &mut Vec<u8>) {
    let start = chunk.len();
    chunk.extend_from_slice(&[0; LENGTH_BYTES]);
    chunk.extend_from_slice(&record.timestamp.to_le_bytes());
    write_bytes(record.key.as_deref(), chunk);
    write_bytes(record.value.as_deref(), chunk);
    chunk.extend_from_slice(&length(record.headers.len()).to_le_bytes());
    for (name, value) in &record.headers {
        write_bytes(Some(name.as_bytes()), chunk);
        write_bytes(value.as_deref(), chunk);
    }
    let written = length(chunk.len() - start - LENGTH_BYTES);
    if let Some(place) = chunk.get_mut(start..start + LENGTH_BYTES) {
        place.copy_from_slice(&written.to_le_bytes());
    }
}

fn write_bytes(bytes: Option<&[u8]>, chunk: &mut Vec<u8>) {
    let Some(bytes) = bytes else {
        chunk.extend_from_slice(&NULL.to_le_bytes());
        return;
    };
    chunk.extend_from_slice(&length(bytes.len()).to_le_bytes());
    chunk.extend_from_slice(bytes);
}

/// Callers check the size of a record first, so it is far below 4 GiB.
fn length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(NULL - 1)
}

/// The records of a chunk, starting at an offset.
pub(super) struct Records {
    rest: Bytes,
    offset: i64,
}

impl Records {
    /// The records of a chunk whose first record has the offset `base`, starting at the offset
    /// `from`.
    pub(super) fn new(chunk: Vec<u8>, base: i64, from: i64) -> Result<Self, Damaged> {
        let mut records = Self { rest: chunk.into(), offset: base };
        while records.offset < from && !records.rest.is_empty() {
            take_sized(&mut records.rest)?.ok_or(Damaged)?;
            records.offset += 1;
        }
        Ok(records)
    }
}

impl Iterator for Records {
    type Item = Result<StoredRecord, Damaged>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let record = read(&mut self.rest, self.offset);
        match &record {
            Ok(_) => self.offset += 1,
            Err(Damaged) => self.rest.clear(),
        }
        Some(record)
    }
}

fn read(chunk: &mut Bytes, offset: i64) -> Result<StoredRecord, Damaged> {
    let mut fields = take_sized(chunk)?.ok_or(Damaged)?;
    let timestamp = take(&mut fields, size_of::<i64>())?;
    let timestamp = i64::from_le_bytes(timestamp.as_ref().try_into().map_err(|_| Damaged)?);
    let (key, value) = (take_sized(&mut fields)?, take_sized(&mut fields)?);
    let count = take_length(&mut fields)?;
    let mut headers = Vec::new();
    for _ in 0..count {
        let name = take_sized(&mut fields)?.ok_or(Damaged)?;
        let name = std::str::from_utf8(&name).map_err(|_| Damaged)?.to_owned();
        headers.push((name, take_sized(&mut fields)?));
    }
    let timestamp_type = TimestampType::CreateTime;
    Ok(StoredRecord { offset, timestamp, timestamp_type, key, value, headers })
}

fn take_sized(bytes: &mut Bytes) -> Result<Option<Bytes>, Damaged> {
    match take_length(bytes)? {
        NULL => Ok(None),
        length => take(bytes, usize::try_from(length).map_err(|_| Damaged)?).map(Some),
    }
}

fn take_length(bytes: &mut Bytes) -> Result<u32, Damaged> {
    let length = take(bytes, LENGTH_BYTES)?;
    length.as_ref().try_into().map(u32::from_le_bytes).map_err(|_| Damaged)
}

fn take(bytes: &mut Bytes, length: usize) -> Result<Bytes, Damaged> {
    if length > bytes.len() {
        return Err(Damaged);
    }
    Ok(bytes.split_to(length))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn some_bytes() -> impl Strategy<Value = Option<Bytes>> {
        proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from))
    }

    fn some_record() -> impl Strategy<Value = NewRecord> {
        let headers = proptest::collection::vec((".{0,8}", some_bytes()), 0..4);
        (any::<i64>(), some_bytes(), some_bytes(), headers).prop_map(
            |(timestamp, key, value, headers)| NewRecord { timestamp, key, value, headers },
        )
    }

    proptest! {
        #[test]
        fn every_record_is_read_as_written_from_any_offset(
            records in proptest::collection::vec(some_record(), 1..8),
            skipped in 0_usize..8,
        ) {
            let mut chunk = Vec::new();
            for record in &records {
                write(record, &mut chunk);
            }
            let from = 5 + i64::try_from(skipped).unwrap();
            let read: Vec<_> = Records::new(chunk, 5, from).unwrap().map(Result::unwrap).collect();
            let expected = records.into_iter().zip(5..).skip(skipped);
            prop_assert_eq!(read, expected.map(|(new, offset)| new.at(offset)).collect::<Vec<_>>());
        }

        #[test]
        fn arbitrary_bytes_are_damaged_and_never_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..60),
        ) {
            if let Ok(records) = Records::new(bytes, 0, 1) {
                prop_assert!(records.count() <= 60);
            }
        }
    }
}
