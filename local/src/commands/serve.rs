//! `drover serve`: starts the host and waits for a signal to stop.

use std::io::Write;
use std::net::SocketAddr;

use clap::{Args as ClapArgs, ValueEnum};

use super::DataArg;
use super::signal::Signal;
use super::source::SourceArgs;
use crate::data_folder::FolderError;
use crate::function::Functions;
use crate::greeting::greeting;
use crate::host::{Host, HostConfig, StartError};
use crate::mapping::{MappingConfig, StreamConfig};

/// Start the host (also without the word)
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    /// The HTTP API; port 0 is any free port, here and below
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    http: SocketAddr,
    /// Lambda's Invoke API
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3001")]
    lambda: SocketAddr,
    /// DynamoDB
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8000")]
    dynamodb: SocketAddr,
    /// SQS
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9324")]
    sqs: SocketAddr,
    #[command(flatten)]
    data: DataArg,
    /// The stream between ingest and the processor
    #[arg(long, value_enum, default_value_t)]
    stream: Stream,
    #[command(flatten)]
    source: SourceArgs,
}

/// The streams that there are.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Stream {
    /// The host's own log, four partitions per topic.
    #[default]
    Embedded,
    /// None: ingest commits to the ledger itself.
    Direct,
}

/// Why the host did not start, or did not stop cleanly.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// It did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// It did not stop cleanly.
    #[error(transparent)]
    Stop(#[from] FolderError),
    /// Nothing would ever stop it.
    #[error("cannot listen for signals")]
    Signals(#[source] std::io::Error),
}

/// Starts, greets, and runs until Ctrl-C or SIGTERM.
///
/// # Errors
/// [`ServeError`].
pub async fn run(args: Args, out: &mut impl Write) -> Result<(), ServeError> {
    // Before the start, so that a signal in the middle of it stops cleanly too.
    let signal = Signal::listen().map_err(ServeError::Signals)?;
    let host = Host::start(HostConfig {
        http: args.http,
        lambda: args.lambda,
        dynamodb: args.dynamodb,
        sqs: args.sqs,
        data: args.data.data,
        functions: Functions::default(),
        stream: match args.stream {
            Stream::Embedded => StreamConfig::Embedded,
            Stream::Direct => StreamConfig::Direct,
        },
        mapping: args.source.config(MappingConfig::default().batching),
    })
    .await?;
    // The host is useful without anyone who reads this.
    let _ = out.write_all(greeting(&host).as_bytes()).and_then(|()| out.flush());
    signal.received().await;
    Ok(host.stop().await?)
}
