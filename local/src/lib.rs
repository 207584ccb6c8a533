//! The local host: the functions and the AWS services that they need, in one process on loopback.
//!
//! Reading order: [`host`] starts and stops everything; [`function`] is an invocation, and `lambda`
//! the Invoke API; `dynamodb` and the crate [`drover_local_sqs`] are the embedded services, and
//! `ports` their clients for the functions; `http` is the port for users, and `prometheus` its
//! metrics; [`event_log`] connects the crate [`drover_event_log`]; [`mapping`] configures the crate
//! [`drover_event_source`], which invokes the processor with records of the event log, and
//! [`stream_mapping`] starts mappings of the ledgers' change streams; `tenant_feeds` creates topics and starts
//! mappings for tenants that have their own; `setup` creates tables, queues, tenants, functions and the mappings of queues; `background` has the
//! threads of the event sources; `registry` applies documents; [`openapi`] describes the routes;
//! [`data_folder`] holds the durable files; [`stack`] is a deployed stack; [`commands`] are the
//! commands of the command line.
//!
//! Credentials are deliberately not implemented: no embedded service checks them, so all services
//! listen on loopback only, and those of this repository reject requests from web pages
//! ([`drover_local_sqs::origin`]).

// The SDK's futures nest deeper than the default limit of 128.
#![recursion_limit = "256"]

mod background;
mod banner;
mod client;
pub mod commands;
pub mod data_folder;
mod dynamodb;
pub mod event_log;
pub mod function;
pub mod host;
mod http;
mod lambda;
mod listen;
pub mod mapping;
pub mod openapi;
mod ports;
mod probes;
mod prometheus;
mod registry;
mod setup;
pub mod stack;
pub mod stream_mapping;
mod tenant_feeds;

pub use function::{FunctionError, Functions, InvocationContext};
pub use host::{Host, HostConfig};
