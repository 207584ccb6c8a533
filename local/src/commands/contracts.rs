//! `drover contracts …`: commands for people who write contracts.

mod render;
mod sampling;
mod tried;
mod trying;

use std::io::Read;

use clap::{Args as ClapArgs, Subcommand};

pub use self::sampling::{SampleArgs, SampleError};
pub use self::trying::{Ending, Shown, TryArgs, TryError};

/// Try out contracts
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    #[command(subcommand)]
    command: ContractsCommand,
}

#[derive(Subcommand, Clone, Debug)]
enum ContractsCommand {
    Try(TryArgs),
    Sample(Box<SampleArgs>),
}

/// Why a command has no result.
#[derive(Debug, thiserror::Error)]
pub enum ContractsError {
    /// No record was tried.
    #[error(transparent)]
    Try(#[from] TryError),
    /// No topic was sampled.
    #[error(transparent)]
    Sample(#[from] SampleError),
}

/// Runs the command and returns the text to print. `stdin` is read where a file is `-`.
///
/// # Errors
/// [`ContractsError`]
pub async fn run(args: &Args, stdin: &mut impl Read) -> Result<Shown, ContractsError> {
    match &args.command {
        ContractsCommand::Try(args) => Ok(trying::run(args, stdin)?),
        ContractsCommand::Sample(args) => Ok(sampling::run(args, stdin).await?),
    }
}
