//! From a record to an event: what arrives, what it must be, and who speaks for whom.
//!
//! - [`json`], [`framing`]: what a text and what is around it must be
//! - [`record`]: what arrives; [`kafka_event`]: records in Lambda's Kafka event
//! - [`contract`]: what a record must be, to become an event; [`tenant`]: who speaks for whom
//! - `transform`, `lines`: from one record to its elements
//! - [`rules`]: which alerts a tenant wants
//! - [`document`]: how contracts, tenants, topics and rules are written, with `schema` and [`fault`]
//! - [`envelope`]: an event as a record of the stream; [`event_log`]: on its way there
//! - [`trial`]: what a contract makes of a record, for people who write contracts
//! - [`quota`]: how much a tenant may send and read; [`request`]: what is sent twice

pub mod contract;
pub mod document;
pub mod envelope;
pub mod event_log;
pub mod fault;
pub mod framing;
pub mod json;
pub mod kafka_event;
pub(crate) mod lines;
pub mod quota;
pub mod record;
pub mod request;
pub mod rules;
pub(crate) mod schema;
pub mod tenant;
pub(crate) mod transform;
pub mod trial;
