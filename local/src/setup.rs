//! The content of the embedded services: tables, queues, the demo tenants, the functions. Every
//! start creates missing parts; existing tables and tenants stay unchanged, and queues keep their
//! messages.

mod demo;
mod functions;
mod pipeline;
mod queues;
mod schedule;

use drover_aws::Aws;
use drover_aws::tables::create_tables;
use drover_core::base::error::Unavailable;

pub(crate) use demo::{LocalTenant, demo_tenants, topics as demo_topics};
pub(crate) use functions::{METERED, RecordSources, functions, metric_lines};
pub(crate) use pipeline::pipeline;
pub(crate) use queues::{queue_sources, queues};
pub(crate) use schedule::sweep;

use crate::ports::table_names;

/// Creates the tables that do not exist yet.
pub(crate) async fn tables(aws: &Aws) -> Result<(), Unavailable> {
    create_tables(aws.dynamodb(), &table_names()).await
}

/// The error of any part.
pub(crate) type SetupError = Box<dyn std::error::Error + Send + Sync>;
