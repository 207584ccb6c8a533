//! The stream of a host: what its own log is to ingest and to replays, and how a Kafka cluster is
//! read.
//!
//! The log itself is the crate [`drover_event_log`]. `log_stream` is what ingest sends to,
//! `log_reread` and [`reread`] are for those who know the offsets of what they want, and [`kafka`] is
//! a cluster of somebody else's.

pub mod kafka;
mod log_reread;
mod log_stream;
pub mod reread;

pub use kafka::KafkaLog;
pub use log_reread::LogReread;
pub(crate) use log_stream::LogStream;
pub use reread::HostReread;
