//! What a record may become, and who decides.
//!
//! The rooms, in the order in which they are read. Each knows only those before it (`tests/tests/layers.rs`):
//!
//! 1. [`base`]: the words that all of them use: ids, times, errors, limits, metrics
//! 2. [`event`]: what history stores, and its canonical form
//! 3. [`view`]: the fold of a history
//! 4. [`ledger`]: a subject's events in their order, and the view of them, as decisions without I/O
//! 5. [`intake`]: from a record to an event: records, contracts, tenants, quotas, what is sent twice
//! 6. [`dead_letter`]: records that were not applied, as queues and the table of letters have them
//! 7. [`ports`]: everything that the core asks of the outside
//! 8. [`registry`]: where contracts, tenants and topics come from, and how they are changed
//! 9. [`pipeline`]: the records of an invocation through all of it
//! 10. [`subject`]: reading a subject, listing subjects, forgetting one
//! 11. [`replay`]: dead letters, again
//! 12. `memory`: the ports in memory, for tests; the model test runs on them
//!
//! Invariants of the crate: nothing here reads a clock, an environment variable or a socket; a
//! [`SubjectKey`](base::id::SubjectKey) exists only where a [`TenantScope`](base::scope::TenantScope)
//! made it; retry or dead letter follows from [`base::error`]'s two types and from nothing else.

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
