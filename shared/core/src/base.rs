//! The words that every other room uses. Nothing here knows of events.
//!
//! - [`id`], [`time`]: what things are called, and when
//! - [`scope`]: the proof of the tenant that somebody speaks for
//! - [`error`]: theirs or ours, and why; [`public_reason`]: what a tenant may see of ours
//! - `excerpt`: what a message shows of an id or a time
//! - `span`: how a message says how long something takes
//! - [`limits`]: every bound; [`cost`]: what a call cost; [`deadline`]: how long it may take
//! - [`hash`]: a hash that stored keys depend on
//! - [`metrics`]: what is counted
//! - [`variables`]: how configuration is read
//! - `mutant`: faults that the model test must find

pub mod cost;
pub mod deadline;
pub mod error;
pub(crate) mod excerpt;
pub mod hash;
pub mod id;
pub mod limits;
pub mod metrics;
pub(crate) mod mutant;
pub mod public_reason;
pub mod scope;
pub(crate) mod span;
pub mod time;
pub mod variables;
