//! The host's event logs: connects the crate [`drover_event_log`] to ingest, to replays and to feeds.
//!
//! `sending` is the log for ingest; `feeds` are the topics of feeds; `rereading` and [`reread`] read records again by their offsets.

mod feeds;
pub mod reread;
mod rereading;
mod sending;

pub(crate) use feeds::{FEEDS_FILE, HostFeeds};
pub use reread::HostReread;
pub use rereading::LogReread;
pub(crate) use rereading::received;
pub(crate) use sending::EmbeddedEventLog;
