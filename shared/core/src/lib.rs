//! What a record may become, and who decides.
//!
//! Reading order: [`id`](base::id), [`time`](base::time) and [`error`](base::error) are the words; [`record`](intake::record) is what arrives,
//! [`contract`](intake::contract) what it must be, and [`event`] what it becomes; [`tenant`](intake::tenant) says who speaks for
//! whom, and [`registry`] where contracts, tenants and topics come from. [`ledger`] puts events in
//! their order and [`view`] is the fold of them. [`pipeline`] takes the records of an invocation
//! through all of it, over ports, and [`stream`](intake::stream) carries events to it; [`dead_letter`] is what
//! becomes of those that it refuses, [`public_reason`](base::public_reason) what a tenant may see of our faults, and
//! [`metrics`](base::metrics) what is counted; [`quota`](intake::quota) says how much a tenant may send and read. [`request`](intake::request) recognises what is
//! sent twice. [`reader`] answers questions about a subject, [`listing`] says which subjects there
//! are, and [`forget`] takes one away.
//!
//! Invariants of the crate: nothing here reads a clock, an environment variable or a socket; an
//! [`SubjectKey`](base::id::SubjectKey) exists only where a [`TenantScope`](base::scope::TenantScope) made it; retry or dead letter
//! follows from [`error`](base::error)'s two types and from nothing else.

pub mod base;
pub mod dead_letter;
pub mod event;
pub mod intake;
pub mod ledger;
#[cfg(any(test, feature = "memory"))]
pub mod memory;
pub mod pipeline;
pub mod ports;
pub mod registry;
pub mod replay;
pub mod subject;
pub mod view;
