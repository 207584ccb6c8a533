//! What a record may become, and who decides.
//!
//! Reading order: [`id`], [`time`] and [`error`] are the words; [`event`] is what a record becomes
//! once its contract took it; [`view`] is the fold of a subject's events.
//!
//! Invariants of the crate: nothing here reads a clock, an environment variable or a socket; an
//! [`id::SubjectKey`] exists only where a [`tenant::TenantScope`] made it; retry or dead letter
//! follows from [`error`]'s two types and from nothing else.

pub mod error;
pub mod event;
pub mod id;
pub mod limits;
pub mod tenant;
pub mod time;
pub mod view;
