//! Operations on subjects, apart from committing events:
//!
//! - [`alerts`]: brings the alerts of a subject to what its history says
//! - [`reader`]: reads the history and the view of a subject, now or at an earlier time
//! - [`listing`]: lists the subjects of a tenant
//! - [`forget`]: deletes the history and the letters of a subject
//! - [`each`]: visits all subjects of a tenant
//! - [`resend`]: has the subjects of a tenant sent to its feeds again
//! - [`watch`]: has the sweep look at subjects that are silent already
//! - [`simulate`]: simulates an alert, which touches no subject
//! - [`timers`]: sets, moves and finishes the timers of a subject
//! - [`sweep`]: looks at the subjects whose timers are due

pub mod alerts;
pub mod each;
pub mod forget;
pub mod listing;
pub mod reader;
pub mod resend;
pub mod simulate;
pub mod sweep;
pub mod timers;
pub mod watch;
