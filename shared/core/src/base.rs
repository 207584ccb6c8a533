//! Basic types for all other modules. They do not depend on events.
//!
//! - [`id`], [`time`]: ids, positions and instants
//! - [`scope`]: proof of a verified tenant
//! - [`error`]: rejections and unavailability; [`dependency`]: the part that failed;
//!   [`public_reason`]: the reasons that a tenant may see
//! - `excerpt`: the part of an id or a time that a message shows
//! - `span`: a duration as a message shows it
//! - [`limits`]: every limit; [`cost`]: the cost of a call; [`deadline`]: the time limit of an
//!   invocation
//! - [`hash`]: the hash used in stored keys
//! - [`severity`]: how serious an alert is
//! - [`metrics`]: the list of metrics, and counts
//! - [`variables`]: configuration variables

pub mod cost;
pub mod deadline;
pub mod dependency;
pub mod error;
pub mod excerpt;
pub mod hash;
pub mod id;
pub mod limits;
pub mod metrics;
pub mod public_reason;
pub mod scope;
pub mod severity;
pub(crate) mod span;
pub mod time;
pub mod variables;
