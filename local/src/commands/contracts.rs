//! `drover contracts …`: commands for people who write contracts. `try` needs no host.

mod render;
mod sampling;
mod stored;
mod tried;
mod trying;

use std::io::Read;

use clap::{Args as ClapArgs, Subcommand};

pub(super) use self::render::reason;
pub use self::sampling::{SampleArgs, SampleError};
pub use self::stored::{ListArgs, ShowArgs, StoredError};
pub use self::trying::{Ending, Faults, Shown, TryArgs, TryError};
pub(super) use self::trying::{is_stdin, now, tenant, time};

/// Try out contracts, and show their versions
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    #[command(subcommand)]
    command: ContractsCommand,
}

#[derive(Subcommand, Clone, Debug)]
enum ContractsCommand {
    Try(TryArgs),
    Sample(Box<SampleArgs>),
    List(ListArgs),
    Show(ShowArgs),
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum ContractsError {
    /// No record was tried.
    #[error(transparent)]
    Try(#[from] TryError),
    /// No topic was sampled.
    #[error(transparent)]
    Sample(#[from] SampleError),
    /// No contract was shown.
    #[error(transparent)]
    Stored(#[from] StoredError),
}

/// Runs the command and returns the text to print. `stdin` is read where a file is `-`.
///
/// # Errors
/// [`ContractsError`]
pub async fn run(args: &Args, stdin: &mut impl Read) -> Result<Shown, ContractsError> {
    let text = match &args.command {
        ContractsCommand::Try(args) => return Ok(trying::run(args, stdin)?),
        ContractsCommand::Sample(args) => return Ok(sampling::run(args, stdin).await?),
        ContractsCommand::List(args) => stored::list(args).await?,
        ContractsCommand::Show(args) => stored::show(args).await?,
    };
    Ok(Shown { text, ending: Ending::Accepted })
}
