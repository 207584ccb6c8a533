//! Events on their way into the event log between ingest and the processor. Three event logs exist: the log
//! of the local host, Kafka (`aws::kafka`), and none ([`direct`](crate::pipeline::direct)), where ingest commits
//! to the ledger itself.
//!
//! The key of an event is `tenant/kind/id`, so that the events of one subject stay in one partition and reach
//! one processor at a time. The order within the partition does not matter, because the time of observation
//! orders events.

use std::sync::Arc;

use crate::base::error::{Code, Rejection, Unavailable};
use crate::base::id::SubjectKey;
use crate::base::time::Timestamp;
use crate::event::Event;
use crate::intake::envelope;
use crate::intake::record::{Record, Source};
use crate::intake::tenant::Tenant;

/// The topic of events that passed their contract. Only ingest may write there.
pub const TOPIC: &str = "drover.events";

/// An event on its way into the event log.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The event.
    pub event: Event,
    /// The document of its tenant.
    pub tenant: Arc<Tenant>,
    /// The record for the event log: key, envelope, headers. Its source is the request.
    pub record: Record,
}

/// The reason why an event is not in the event log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// The event is invalid. Only an event log that commits at once detects this here.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// A dependency or Drover failed. The event may be in the event log, and may be sent again.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl Outgoing {
    /// An event with its record for the event log. `received_at` is a time of receipt that a repeated request
    /// repeats, if the request has one.
    ///
    /// # Errors
    /// `malformed_json`: the payload is not JSON. Events of contracts never have this error.
    pub fn new(
        event: Event,
        tenant: Arc<Tenant>,
        source: Source,
        headers: Vec<(String, Vec<u8>)>,
        received_at: Option<Timestamp>,
    ) -> Result<Self, Rejection> {
        let value = envelope::write(&event)
            .map_err(|_| Rejection::new(Code::MalformedJson, "the payload is no JSON"))?;
        let record = Record {
            source,
            key: Some(key(&event).into_bytes()),
            value: Some(value),
            headers,
            received_at,
            ingested_at: event.entry.ingested_at,
        };
        Ok(Self { event, tenant, record })
    }
}

/// The key of the record of an event: `tenant/kind/id`.
pub fn key(event: &Event) -> String {
    subject_key(&event.subject)
}

/// The key of a subject's records in every topic: `tenant/kind/id`.
pub fn subject_key(subject: &SubjectKey) -> String {
    format!("{}/{}", subject.tenant(), subject.subject())
}

/// The partition of a key among `partitions`. Kafka's default partitioner computes the same: murmur2 without
/// its sign, modulo the number of partitions.
///
/// <https://github.com/apache/kafka/blob/trunk/clients/src/main/java/org/apache/kafka/clients/producer/internals/BuiltInPartitioner.java>
pub fn partition(key: &[u8], partitions: u32) -> u32 {
    const WITHOUT_SIGN: u32 = 0x7fff_ffff;
    (murmur2(key) & WITHOUT_SIGN) % partitions.max(1)
}

/// Kafka's murmur2, 32 bits, with its fixed seed.
fn murmur2(bytes: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const FACTOR: u32 = 0x5bd1_e995;
    const SHIFT: u32 = 24;
    // Lengths have 32 bits in Java; keys are far shorter.
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let (words, rest) = bytes.as_chunks::<4>();
    let mut hash = words.iter().fold(SEED ^ length, |hash, word| {
        let mixed = u32::from_le_bytes(*word).wrapping_mul(FACTOR);
        let mixed = (mixed ^ (mixed >> SHIFT)).wrapping_mul(FACTOR);
        hash.wrapping_mul(FACTOR) ^ mixed
    });
    if !rest.is_empty() {
        let last = rest.iter().rev().fold(0, |last: u32, byte| (last << 8) | u32::from(*byte));
        hash = (hash ^ last).wrapping_mul(FACTOR);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(FACTOR);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of Kafka's `UtilsTest.testMurmur2`.
    #[test]
    fn keys_hash_as_kafka_hashes_them() {
        for (key, expected) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()).cast_signed(), expected, "{key}");
        }
    }

    #[test]
    fn a_key_has_one_partition_and_every_partition_its_keys() {
        let of = |key: &str| partition(key.as_bytes(), 4);
        let seen: std::collections::BTreeSet<u32> =
            (0..64).map(|device| of(&format!("demo/device/d-{device}"))).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!(of("demo/device/d-1"), of("demo/device/d-1"));
        assert_eq!(partition(b"any", 0), 0);
    }
}
