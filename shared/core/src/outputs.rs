//! Outputs: what others are told of the ledgers. All of it follows the heads: it is computed from what was
//! committed, may lag, may be sent twice, may stop at any step, and ends where the ledger is.
//!
//! Each commit comes as two images of a head, the one before and the one after, in the order of versions and
//! at least once. Between the records of a head and of its pages there is no order, so nothing is concluded
//! from a page's record. Nothing here does I/O: the machines say what to read and what to send.
//!
//! - [`changes`]: what a commit changed, from its two images
//! - [`history`]: reads what the images do not hold
//! - [`feeds`]: the records of the feeds `ordered` and `settled`, in the order in which they are sent
//! - [`views`]: the record of the feed `views`
//! - [`record`]: a record of a feed, as CloudEvents in both content modes
//! - [`alerts`]: the episodes of alert rules, as items
//! - [`notifications`]: people and programs are told about alerts
//! - [`received`]: alerts that other systems post
//! - [`timers`]: when the sweep looks at a subject again
//! - `tenant_outputs`: what is told of a tenant
//! - [`position_text`]: positions as text that sorts like them

pub mod alerts;
pub mod changes;
pub mod feeds;
pub mod history;
pub mod notifications;
pub mod position_text;
pub mod received;
pub mod record;
mod tenant_outputs;
pub mod timers;
pub mod views;

pub use self::tenant_outputs::TenantOutputs;
