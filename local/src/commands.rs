//! The words of the command line, one file each, all alike: `Args` is what it takes, `run` does it
//! and gives what is to be shown. Printing is `main`'s. What several of them share is here as well:
//! [`target`] is whom a command speaks to, a running host or a stack on AWS, and [`caller`] how its
//! functions are called; [`subject`] is what two of them are about; [`cluster`] and [`source`] are flags.

pub mod apply;
pub mod caller;
pub mod carry;
pub mod cluster;
pub mod forget;
pub mod inspect;
pub mod invoke;
pub mod key;
pub mod produce;
pub mod replay;
pub mod serve;
mod signal;
pub mod simulate;
pub mod source;
pub mod subject;
pub mod target;
mod text;

use std::path::PathBuf;

use clap::Args;

/// The data folder, as every command takes it.
#[derive(Args, Clone, Debug)]
pub struct DataArg {
    /// The host's data folder
    #[arg(long, value_name = "FOLDER", default_value = ".drover")]
    pub data: PathBuf,
}
