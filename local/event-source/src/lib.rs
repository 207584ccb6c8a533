//! Lambda's event source mappings outside of Lambda: they read a topic of Kafka or a queue of SQS,
//! send a function the events that Lambda would send, and do with the answers what Lambda would do.
//!
//! [`kafka`] is the mapping for topics, over any [`drover_event_log::Log`]; [`KafkaLog`] is such a
//! log in a Kafka cluster. [`sqs`] is the mapping for queues of [`drover_local_sqs`].
//! `item_failures` is the part of an answer that both read alike. A function is behind an Invoke API,
//! or in this process: then [`invoke`] is what the process provides.
//!
//! Each of the two says what it leaves out. Of both: mappings are not created and changed by an API,
//! but by whoever calls this crate.

pub mod invoke;
mod item_failures;
pub mod kafka;
pub mod kafka_log;
pub mod sqs;

pub use kafka_log::KafkaLog;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
