//! `drover contracts …`: commands for people who write contracts. They need no host.

mod render;
mod trying;

use std::io::Read;

use clap::{Args as ClapArgs, Subcommand};

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
}

/// Runs the command and returns the text to print. `stdin` is read where a file is `-`.
///
/// # Errors
/// [`TryError`]
pub fn run(args: &Args, stdin: &mut impl Read) -> Result<Shown, TryError> {
    match &args.command {
        ContractsCommand::Try(args) => trying::run(args, stdin),
    }
}
