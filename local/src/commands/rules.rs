//! `drover rules …`: alert rules. `try` needs no host.

mod found;
mod render;
mod stored;
mod trying;

use std::io::Read;

use clap::{Args as ClapArgs, Subcommand};

pub use self::stored::{ListArgs, ShowArgs, StoredError};
pub use self::trying::{TryArgs, TryError};
pub use super::contracts::{Ending, Shown};

/// Try out alert rules, and show their versions
///
/// Alerts are listed by `drover alerts`. Notifications do not exist yet.
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    #[command(subcommand)]
    command: RulesCommand,
}

#[derive(Subcommand, Clone, Debug)]
enum RulesCommand {
    Try(TryArgs),
    List(ListArgs),
    Show(ShowArgs),
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// No rules were tried.
    #[error(transparent)]
    Try(#[from] TryError),
    /// No rules were shown.
    #[error(transparent)]
    Stored(#[from] StoredError),
}

/// Runs the command and returns the text to print. `stdin` is read where a file is `-`.
///
/// # Errors
/// [`RulesError`]
pub async fn run(args: &Args, stdin: &mut impl Read) -> Result<Shown, RulesError> {
    let text = match &args.command {
        RulesCommand::Try(args) => return Ok(trying::run(args, stdin)?),
        RulesCommand::List(args) => stored::list(args).await?,
        RulesCommand::Show(args) => stored::show(args).await?,
    };
    Ok(Shown { text, ending: Ending::Accepted })
}
