//! Items of the letters table. Every item has `pk` (S), the partition of the owner, and `sk` (S):
//!
//! - `L#{id}`, a letter: `d` (S) its JSON; `v` (N) its version
//! - `C#{letter id}#{number, four digits}`, a chunk of a content: `d` (B) the bytes
//! - `R#{id}`, a run: `d` (B) its record; `v` (N) its version
//! - `LEASE`: `r` (S) the run; `t` (S) the token; `u` (N) the end, in microseconds since 1970
//!
//! Every item except the lease has `x` (N), the time of expiry, in seconds since 1970.

use aws_sdk_dynamodb::types::AttributeValue;
use drover_core::base::error::Unavailable;
use drover_core::base::time::Timestamp;
use drover_core::dead_letter::envelope::Chunk;
use drover_core::dead_letter::letter::{FiledChunk, Lease, StoredLetter, StoredRun};

use super::{Item, broken, bytes, item, key, number, read_number, text};

const LEASE: &str = "LEASE";
const CHUNKS: &str = "C#";

/// A kind of items, by the prefix of their sort keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dynamodb) enum ItemKind {
    /// Letters.
    Letters,
    /// Runs.
    Runs,
}

impl ItemKind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Letters => "L#",
            Self::Runs => "R#",
        }
    }

    /// The key of one item.
    pub(in crate::dynamodb) fn key(self, pk: &str, id: &str) -> Item {
        key(pk, &format!("{}{id}", self.prefix()))
    }

    /// The values of a query for all items of this kind: `:pk` and `:prefix`.
    pub(in crate::dynamodb) fn all(self, pk: &str) -> Item {
        item([(":pk", text(pk)), (":prefix", text(self.prefix()))])
    }
}

/// The key of the lease.
pub(in crate::dynamodb) fn lease_key(pk: &str) -> Item {
    key(pk, LEASE)
}

/// The key of a chunk with this [`chunk_name`].
pub(in crate::dynamodb) fn chunk_key(pk: &str, name: &str) -> Item {
    key(pk, name)
}

/// The sort key of a chunk.
pub(in crate::dynamodb) fn chunk_name(id: &str, number: u32) -> String {
    format!("{CHUNKS}{id}#{number:04}")
}

fn with<const N: usize>(mut key: Item, attributes: [(&str, AttributeValue); N]) -> Item {
    key.extend(item(attributes));
    key
}

/// A letter. `None`: the letter cannot be encoded as JSON, which is a bug.
pub(in crate::dynamodb) fn letter_item(pk: &str, stored: &StoredLetter) -> Option<Item> {
    let json = serde_json::to_string(&stored.letter).ok()?;
    let key = ItemKind::Letters.key(pk, &stored.letter.id);
    let expires_at = number(stored.letter.expires_at());
    Some(with(
        key,
        [("d", AttributeValue::S(json)), ("v", number(stored.version)), ("x", expires_at)],
    ))
}

/// Reads [`letter_item`].
///
/// # Errors
/// The item is corrupt.
pub(in crate::dynamodb) fn read_letter(mut item: Item) -> Result<StoredLetter, Unavailable> {
    match (read_number(&item, "v"), item.remove("d")) {
        (Some(version), Some(AttributeValue::S(json))) => {
            let letter = serde_json::from_str(&json).map_err(|_| broken("letter"))?;
            Ok(StoredLetter { letter, version })
        }
        _ => Err(broken("letter")),
    }
}

/// A chunk.
pub(in crate::dynamodb) fn chunk_item(pk: &str, id: &str, chunk: &Chunk, expires_at: i64) -> Item {
    let key = chunk_key(pk, &chunk_name(id, chunk.number));
    with(key, [("d", bytes(&chunk.bytes)), ("x", number(expires_at))])
}

/// Reads [`chunk_item`]: the sort key and the bytes.
///
/// # Errors
/// The item is corrupt.
pub(in crate::dynamodb) fn read_chunk(mut item: Item) -> Result<(String, Vec<u8>), Unavailable> {
    match (item.remove("sk"), item.remove("d")) {
        (Some(AttributeValue::S(name)), Some(AttributeValue::B(bytes))) => {
            Ok((name, bytes.into_inner()))
        }
        _ => Err(broken("chunk")),
    }
}

/// The values of a query for all chunks: `:pk` and `:prefix`.
pub(in crate::dynamodb) fn all_chunks(pk: &str) -> Item {
    item([(":pk", text(pk)), (":prefix", text(CHUNKS))])
}

/// Reads [`chunk_item`] with the id of its letter.
///
/// # Errors
/// The item is corrupt.
pub(in crate::dynamodb) fn read_filed_chunk(item: Item) -> Result<FiledChunk, Unavailable> {
    let (name, bytes) = read_chunk(item)?;
    let place = name.strip_prefix(CHUNKS).and_then(|place| place.rsplit_once('#'));
    let (id, number) = place.ok_or_else(|| broken("chunk"))?;
    let number = number.parse().map_err(|_| broken("chunk"))?;
    Ok(FiledChunk { id: id.to_owned(), number, bytes })
}

/// A run.
pub(in crate::dynamodb) fn run_item(pk: &str, id: &str, run: &StoredRun, expires_at: i64) -> Item {
    let key = ItemKind::Runs.key(pk, id);
    let (record, version) = (bytes(&run.bytes), number(run.version));
    with(key, [("d", record), ("v", version), ("x", number(expires_at))])
}

/// Reads [`run_item`].
///
/// # Errors
/// The item is corrupt.
pub(in crate::dynamodb) fn read_run(mut item: Item) -> Result<StoredRun, Unavailable> {
    match (read_number(&item, "v"), item.remove("d")) {
        (Some(version), Some(AttributeValue::B(bytes))) => {
            Ok(StoredRun { bytes: bytes.into_inner(), version })
        }
        _ => Err(broken("run")),
    }
}

/// A lease.
pub(in crate::dynamodb) fn lease_item(pk: &str, lease: &Lease) -> Item {
    let (run, token) = (text(&lease.run), text(&lease.token));
    with(lease_key(pk), [("r", run), ("t", token), ("u", number(lease.until.micros()))])
}

/// Reads [`lease_item`].
///
/// # Errors
/// The item is corrupt.
pub(in crate::dynamodb) fn read_lease(mut item: Item) -> Result<Lease, Unavailable> {
    let until = item.get("u").and_then(|value| value.as_n().ok()?.parse().ok());
    match (item.remove("r"), item.remove("t"), until.and_then(Timestamp::from_micros)) {
        (Some(AttributeValue::S(run)), Some(AttributeValue::S(token)), Some(until)) => {
            Ok(Lease { run, token, until })
        }
        _ => Err(broken("lease")),
    }
}

/// The values of [`lease_item`]'s condition: `:mine` and `:now`.
pub(in crate::dynamodb) fn lease_values(token: &str, now: Timestamp) -> Item {
    item([(":mine", text(token)), (":now", number(now.micros()))])
}

#[cfg(test)]
mod tests {
    use drover_core::base::error::Reason;
    use drover_core::replay::filing::{self, Received};

    use super::*;

    fn letter() -> StoredLetter {
        let received = Received { message_id: "m", body: "not JSON", sent_at: None };
        let now = Timestamp::from_micros(1_800_000_000_000_001).expect("in range");
        StoredLetter {
            letter: filing::read(&received, now).expect("filed").letter,
            version: u64::MAX,
        }
    }

    fn lease() -> Lease {
        Lease { run: "r".to_owned(), token: "t".to_owned(), until: Timestamp::MAX }
    }

    #[test]
    fn every_item_is_decoded_as_it_was_encoded() {
        let letter = letter();
        assert_eq!(letter_item("pk", &letter).map(read_letter), Some(Ok(letter)));
        let chunk = Chunk { number: 7, bytes: vec![0, 255] };
        let read = read_chunk(chunk_item("pk", "id", &chunk, -5));
        assert_eq!(read, Ok(("C#id#0007".to_owned(), chunk.bytes.clone())));
        let filed = FiledChunk { id: "id".to_owned(), number: 7, bytes: chunk.bytes.clone() };
        assert_eq!(read_filed_chunk(chunk_item("pk", "id", &chunk, -5)), Ok(filed));
        let run = StoredRun { bytes: vec![0, 255], version: 3 };
        assert_eq!(read_run(run_item("pk", "id", &run, -5)), Ok(run));
        assert_eq!(read_lease(lease_item("pk", &lease())), Ok(lease()));
    }

    #[test]
    fn every_item_except_the_lease_expires() {
        let chunk = Chunk { number: 1, bytes: Vec::new() };
        let run = StoredRun { bytes: Vec::new(), version: 1 };
        let letter = letter();
        let expected = number(letter.letter.expires_at());
        let expires_at = |item: Item| item.get("x").cloned();
        assert_eq!(letter_item("pk", &letter).and_then(expires_at), Some(expected));
        assert_eq!(expires_at(chunk_item("pk", "id", &chunk, 5)), Some(number(5)));
        assert_eq!(expires_at(run_item("pk", "id", &run, 5)), Some(number(5)));
        assert_eq!(expires_at(lease_item("pk", &lease())), None);
    }

    #[test]
    fn an_item_with_a_missing_or_wrong_attribute_is_corrupt() {
        fn check<T>(item: &Item, names: &[&str], read: impl Fn(Item) -> Result<T, Unavailable>) {
            for name in names {
                let mut lacking = item.clone();
                lacking.remove(*name);
                let other = with(item.clone(), [(*name, AttributeValue::Bool(true))]);
                for item in [lacking, other] {
                    assert_eq!(read(item).err().map(|error| error.reason), Some(Reason::Corrupt));
                }
            }
        }
        let letter = letter_item("pk", &letter()).expect("JSON");
        check(&letter, &["d", "v"], read_letter);
        let damaged = with(letter, [("d", text("{}"))]);
        assert_eq!(read_letter(damaged).err().map(|error| error.reason), Some(Reason::Corrupt));
        let chunk = Chunk { number: 1, bytes: Vec::new() };
        check(&chunk_item("pk", "id", &chunk, 5), &["sk", "d"], read_chunk);
        let run = StoredRun { bytes: Vec::new(), version: 1 };
        check(&run_item("pk", "id", &run, 5), &["d", "v"], read_run);
        check(&lease_item("pk", &lease()), &["r", "t", "u"], read_lease);
    }
}
