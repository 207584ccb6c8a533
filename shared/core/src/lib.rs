//! Drover's core: turns records into ordered state per subject, without I/O.
//!
//! The modules in reading order. Each depends only on earlier modules (`tests/tests/layers.rs`):
//!
//! 1. [`base`]: ids, times, errors, limits, metrics
//! 2. [`event`]: events and their canonical form
//! 3. [`view`]: the fold of a history
//! 4. [`ledger`]: a subject's ordered events and their view, as decisions without I/O
//! 5. [`intake`]: turns a record into an event: contracts, tenants, quotas, idempotency keys
//! 6. [`outputs`]: what others are told of the ledgers: changes between two heads, feeds, and timers
//! 7. [`dead_letter`]: records that were not applied, as queue messages and stored letters
//! 8. [`ports`]: the interfaces to everything outside
//! 9. [`registry`]: contracts, tenants and topics, and how they are changed
//! 10. [`pipeline`]: processes the records of an invocation
//! 11. [`subject`]: reads, lists and forgets subjects, and looks at silent ones
//! 12. [`replay`]: replays dead letters
//! 13. `memory`: in-memory ports for tests, including the model test
//!
//! Invariants: no code reads a clock, an environment variable or a socket. Only a
//! [`TenantScope`](base::scope::TenantScope) makes a [`SubjectKey`](base::id::SubjectKey). The two
//! error types of [`base::error`] alone decide between retry and dead letter.

pub mod base;
pub mod dead_letter;
pub mod event;
pub mod intake;
pub mod ledger;
#[cfg(any(test, feature = "memory"))]
pub mod memory;
pub mod outputs;
pub mod pipeline;
pub mod ports;
pub mod registry;
pub mod replay;
pub mod subject;
pub mod view;
