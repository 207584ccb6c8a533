//! Lambda's event source mappings outside Lambda: they read a Kafka topic, an SQS queue or the change
//! stream of a DynamoDB table, send a function the events that Lambda would send, and handle the
//! responses as Lambda does.
//!
//! [`kafka`] is the mapping for topics, over any [`drover_event_log::Log`]; [`KafkaLog`] is such a
//! log in a Kafka cluster. [`sqs`] is the mapping for queues of [`drover_local_sqs`]. [`dynamodb`]
//! is the mapping for the change streams of tables. `item_failures` reads the part of a response
//! that all have in common, and `running` is the task of each; topics and streams share `batch`, `on_failure` and `target`. A function
//! is behind an Invoke API, or in this process; the process then implements [`invoke::Invoke`].
//!
//! Each module lists the features that it does not implement. None has an API for creating or
//! changing mappings; the calling code does that.

mod batch;
mod clock;
pub mod dynamodb;
pub mod invoke;
mod item_failures;
pub mod kafka;
pub mod kafka_log;
mod on_failure;
mod running;
pub mod sqs;
mod target;

pub use kafka_log::KafkaLog;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
