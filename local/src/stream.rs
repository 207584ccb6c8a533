//! The stream of a host: what its own log, the crate [`drover_event_log`], is to ingest and to
//! replays.
//!
//! `log_stream` is what ingest sends to; `log_reread` and [`reread`] are for those who know the
//! offsets of what they want.

mod log_reread;
mod log_stream;
pub mod reread;

pub use log_reread::LogReread;
pub(crate) use log_stream::LogStream;
pub use reread::HostReread;
