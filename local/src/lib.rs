//! The local host: everything that the functions need on AWS, in one process on loopback.
//!
//! Reading order: [`host`] starts and stops it all; [`function`] is what an invocation is, and
//! `lambda` the API that asks for one; `dynamodb` and the crate [`drover_local_sqs`] are the embedded
//! services, and `ports` how the functions see them; `http` is the port that clients use, and
//! `prometheus` what it shows of the host's own doings; [`event_log`] is the stream, over the crate
//! [`drover_event_log`]; [`mapping`] is how Lambda's event source, the crate [`drover_event_source`],
//! feeds the processor from it; `setup` puts tables, queues, tenants, functions and the mappings of
//! queues on the services; `background` has the threads of the event source; `registry` applies
//! documents; [`openapi`] describes the routes; [`data_folder`] is what stays when the process goes;
//! [`stack`] is a deployed stack; [`commands`] are the words of the command line.
//!
//! Left out on purpose: credentials. No embedded service checks any, which is why none of them
//! listens on anything but loopback, and why none of ours answers a web page
//! ([`drover_local_sqs::origin`]).

// The SDK's futures nest deeper than the default of 128.
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

pub use function::{FunctionError, Functions, InvocationContext};
pub use host::{Host, HostConfig};
