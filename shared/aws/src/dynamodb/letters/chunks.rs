//! Contents of letters, as chunks, in batches. DynamoDB accepts batches of 25 puts or 100 reads, up to 16
//! MB, and may leave any items unprocessed. Batches here have at most 4 MB, as far as the sizes are known,
//! so that a call stays below its timeout.
//!
//! Unprocessed items are requested again: at once if the call processed at least one item, or after a pause
//! if it processed none. After [`IDLE`] calls without progress, the operation fails.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{
    KeysAndAttributes, PutRequest, ReturnConsumedCapacity, WriteRequest,
};
use drover_core::base::cost::{Metered, Units};
use drover_core::base::dependency::Dependency;
use drover_core::base::error::{Reason, Unavailable};
use drover_core::dead_letter::envelope::{CHUNK_BYTES, Chunk};
use drover_core::dead_letter::letter::Wanted;
use drover_core::ports::Clock as _;

use crate::Aws;
use crate::calls::{bulk_timeouts, unavailable};
use crate::dynamodb::capacity::{counted, total};
use crate::dynamodb::items::{Item, letters as shapes};

/// Maximum number of puts in one batch.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html>
const PUTS: usize = 25;
/// Maximum number of reads in one batch.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html>
const GETS: usize = 100;
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// The number of calls without progress after which an operation fails.
const IDLE: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// Puts chunks of one letter. The chunks expire at `expires_at`, in seconds since 1970.
pub(super) async fn put(
    aws: &Aws,
    pk: &str,
    id: &str,
    chunks: &[Chunk],
    expires_at: i64,
) -> Result<Units, Unavailable> {
    let item = |chunk: &Chunk| shapes::chunk_item(pk, id, chunk, expires_at);
    if let [chunk] = chunks {
        return put_one(aws, item(chunk)).await;
    }
    let mut units = Units::default();
    for batch in batches(chunks, PUTS, |chunk| chunk.bytes.len()) {
        let puts: Result<Vec<_>, _> = batch.iter().map(|chunk| write(item(chunk))).collect();
        units.write += put_all(aws, puts.map_err(|_| incomplete())?).await?;
    }
    Ok(units)
}

async fn put_one(aws: &Aws, item: Item) -> Result<Units, Unavailable> {
    let answer = aws
        .dynamodb
        .put_item()
        .table_name(aws.letters_table()?)
        .set_item(Some(item))
        .return_consumed_capacity(ReturnConsumedCapacity::Total)
        .send()
        .await
        .map_err(|error| unavailable("filing a content", &error).of(Dependency::LettersTable))?;
    Ok(Units { read: 0.0, write: counted(answer.consumed_capacity.as_ref()) })
}

async fn put_all(aws: &Aws, mut puts: Vec<WriteRequest>) -> Result<f64, Unavailable> {
    const OPERATION: &str = "filing a content in parts";
    let table = aws.letters_table()?;
    let timeouts = bulk_timeouts(aws.dynamodb.config().timeout_config());
    let (mut units, mut patience) = (0.0, Patience::default());
    while !puts.is_empty() {
        let count = puts.len();
        let answer = aws
            .dynamodb
            .batch_write_item()
            .request_items(table, puts)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .customize()
            .config_override(Builder::new().timeout_config(timeouts.clone()))
            .send()
            .await
            .map_err(|error| unavailable(OPERATION, &error).of(Dependency::LettersTable))?;
        units += total(answer.consumed_capacity());
        puts = answer.unprocessed_items.and_then(|mut left| left.remove(table)).unwrap_or_default();
        patience.after(aws, OPERATION, count, puts.len()).await?;
    }
    Ok(units)
}

/// Reads the contents of letters, in the order of `wanted`. `None`: chunks are missing.
pub(super) async fn get(
    aws: &Aws,
    pk: &str,
    wanted: &[Wanted],
) -> Result<Metered<Vec<Option<Vec<u8>>>>, Unavailable> {
    // DynamoDB rejects a batch with duplicate keys.
    let names: BTreeMap<String, usize> = wanted.iter().flat_map(sized).collect();
    let names: Vec<(String, usize)> = names.into_iter().collect();
    let (mut found, mut units) = (HashMap::new(), Units::default());
    for batch in batches(&names, GETS, |(_, bytes)| *bytes) {
        let keys = batch.iter().map(|(name, _)| shapes::chunk_key(pk, name)).collect();
        units.read += get_all(aws, keys, &mut found).await?;
    }
    let answer = wanted.iter().map(|wanted| joined(&found, wanted)).collect();
    Ok(Metered { answer, units })
}

async fn get_all(
    aws: &Aws,
    mut keys: Vec<Item>,
    found: &mut HashMap<String, Vec<u8>>,
) -> Result<f64, Unavailable> {
    const OPERATION: &str = "reading contents";
    let table = aws.letters_table()?;
    let timeouts = bulk_timeouts(aws.dynamodb.config().timeout_config());
    let (mut units, mut patience) = (0.0, Patience::default());
    while !keys.is_empty() {
        let count = keys.len();
        let request = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true);
        let answer = aws
            .dynamodb
            .batch_get_item()
            .request_items(table, request.build().map_err(|_| incomplete())?)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .customize()
            .config_override(Builder::new().timeout_config(timeouts.clone()))
            .send()
            .await
            .map_err(|error| unavailable(OPERATION, &error).of(Dependency::LettersTable))?;
        units += total(answer.consumed_capacity());
        let items = answer.responses.and_then(|mut tables| tables.remove(table));
        for item in items.unwrap_or_default() {
            let (name, bytes) = shapes::read_chunk(item)?;
            found.insert(name, bytes);
        }
        let left = answer.unprocessed_keys.and_then(|mut left| left.remove(table));
        keys = left.map(|left| left.keys).unwrap_or_default();
        patience.after(aws, OPERATION, count, keys.len()).await?;
    }
    Ok(units)
}

fn names(wanted: &Wanted) -> impl Iterator<Item = String> {
    (1..=wanted.chunks).map(|number| shapes::chunk_name(&wanted.id, number))
}

/// The names of the chunks with their maximum sizes, in bytes. The size of a single chunk is unknown but
/// usually small, so it counts as 0.
fn sized(wanted: &Wanted) -> impl Iterator<Item = (String, usize)> {
    let bytes = if wanted.chunks > 1 { CHUNK_BYTES } else { 0 };
    names(wanted).map(move |name| (name, bytes))
}

/// Splits items into batches of at most `most` items and [`BATCH_BYTES`], in order. An item above the limit
/// gets its own batch.
fn batches<T>(all: &[T], most: usize, size: impl Fn(&T) -> usize) -> Vec<&[T]> {
    let (mut batches, mut rest) = (Vec::new(), all);
    while !rest.is_empty() {
        let mut bytes = 0_usize;
        let fitting = rest.iter().take(most).take_while(|one| {
            bytes = bytes.saturating_add(size(one));
            bytes <= BATCH_BYTES
        });
        let (batch, later) = rest.split_at(fitting.count().max(1));
        batches.push(batch);
        rest = later;
    }
    batches
}

fn joined(found: &HashMap<String, Vec<u8>>, wanted: &Wanted) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    for name in names(wanted) {
        whole.extend_from_slice(found.get(&name)?);
    }
    Some(whole)
}

/// Counts the calls without progress.
#[derive(Default)]
struct Patience {
    idle: u32,
}

impl Patience {
    /// Waits if a call processed none of its `count` items. Fails after [`IDLE`] such calls.
    async fn after(
        &mut self,
        aws: &Aws,
        operation: &str,
        count: usize,
        left: usize,
    ) -> Result<(), Unavailable> {
        if left < count {
            return Ok(());
        }
        self.idle += 1;
        if self.idle >= IDLE {
            let message = format!("{operation}: too many calls without progress: left=`{left}`");
            return Err(Unavailable::new(Reason::Throttled, message).of(Dependency::LettersTable));
        }
        // Full jitter could give a pause of almost zero.
        let longest = FIRST_PAUSE * 2_u32.pow(self.idle);
        let share = f64::from(u16::try_from(aws.random() >> 48).unwrap_or(0)) / f64::from(u16::MAX);
        aws.pause(longest.mul_f64(0.5 + share / 2.0)).await;
        Ok(())
    }
}

fn write(item: Item) -> Result<WriteRequest, BuildError> {
    let put = PutRequest::builder().set_item(Some(item)).build()?;
    Ok(WriteRequest::builder().put_request(put).build())
}

fn incomplete() -> Unavailable {
    Unavailable::new(Reason::Bug, "incomplete request for a content")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sizes: &[usize], expected: &[usize]) {
        let counts: Vec<usize> =
            batches(sizes, PUTS, |size| *size).iter().map(|batch| batch.len()).collect();
        assert_eq!(counts, expected, "sizes {sizes:?}");
    }

    #[test]
    fn a_batch_ends_at_its_count_or_at_four_megabytes() {
        check(&[], &[]);
        check(&[0; 51], &[25, 25, 1]);
        check(&[CHUNK_BYTES; 64], &[11, 11, 11, 11, 11, 9]);
        check(&[1, BATCH_BYTES + 1, 1], &[1, 1, 1]);
    }
}
