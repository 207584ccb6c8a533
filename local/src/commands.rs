//! The commands of the command line, one file each with the same structure: `Args` are the
//! arguments, `run` executes the command and returns the text to print. `main` prints it. Shared
//! parts are here too: [`target`] finds the running host or the stack on AWS, [`caller`] invokes
//! its functions, [`subject`] parses a subject, and [`cluster`] and [`source`] are groups of flags.

pub mod alerts;
pub mod apply;
pub mod caller;
pub mod carry;
pub mod cluster;
pub mod consume;
pub mod contracts;
pub mod forget;
pub mod inspect;
pub mod invoke;
pub mod key;
pub mod produce;
pub mod relay;
pub mod replay;
pub mod rules;
pub mod schema;
pub mod serve;
mod signal;
pub mod simulate;
pub mod source;
pub mod subject;
pub mod target;
pub mod targets;
mod text;
pub mod topics;

use std::path::PathBuf;

use clap::Args;

/// The flag for the data folder.
#[derive(Args, Clone, Debug)]
pub struct DataArg {
    /// The host's data folder
    #[arg(long, value_name = "FOLDER", default_value = ".drover")]
    pub data: PathBuf,
}
