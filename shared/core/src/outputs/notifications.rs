//! Notifications: people and programs are told about alerts.
//!
//! The relay only says *look* ([`Look`]), after it has written an alert. Who receives that reads the alert as it is
//! then, and what its target was told before ([`Told`]), and tells what is missing ([`next`](decision::next)). So a
//! message may come late, twice or in any order: what a newer one told is not told again, and an alert that is over
//! before a target knew of it is not told at all.
//!
//! - [`look`]: the message in the queue
//! - [`told`]: what a target was told of an alert
//! - [`decision`]: what to do about a message
//! - [`deliveries`]: the stored records
//! - [`digest`]: one notification about the alerts of a backlog
//! - [`notification`]: what is sent to a target
//! - `stored`: the texts in which records are stored
//! - [`simulated`]: alerts for tests of targets, without a subject

pub mod decision;
pub mod deliveries;
pub mod digest;
pub mod look;
pub mod notification;
pub mod simulated;
mod stored;
pub mod told;

pub use self::look::Look;
pub use self::notification::Notification;
pub use self::told::Told;
