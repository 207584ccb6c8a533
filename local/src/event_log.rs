//! The host's event log: connects the crate [`drover_event_log`] to ingest and to replays.
//!
//! `sending` is the log for ingest; `rereading` and [`reread`] read records again by their offsets.

pub mod reread;
mod rereading;
mod sending;

pub use reread::HostReread;
pub use rereading::LogReread;
pub(crate) use rereading::received;
pub(crate) use sending::EmbeddedEventLog;
