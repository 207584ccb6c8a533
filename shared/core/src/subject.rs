//! What is asked of subjects and done to one, besides events.
//!
//! - [`reader`]: a subject's history and view, now and at an earlier time
//! - [`listing`]: which subjects there are
//! - [`forget`]: taking one away

pub mod forget;
pub mod listing;
pub mod reader;
