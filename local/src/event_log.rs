//! The stream of a host: what its own log, the crate [`drover_event_log`], is to ingest and to
//! replays.
//!
//! `sending` is what ingest sends to; `rereading` and [`reread`] are for those who know the
//! offsets of what they want.

pub mod reread;
mod rereading;
mod sending;

pub use reread::HostReread;
pub use rereading::LogReread;
pub(crate) use sending::EmbeddedEventLog;
