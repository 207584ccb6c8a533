//! The words of the command line, one file each, all alike: `Args` is what it takes, `run` does it
//! and gives what is to be shown. Printing is `main`'s.

pub mod apply;
pub mod cluster;
pub mod inspect;
pub mod invoke;
pub mod key;
pub mod produce;
pub mod replay;
pub mod serve;
mod signal;
pub mod simulate;
pub mod source;
mod text;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use drover_core::aws::Aws;

use crate::client;
use crate::data_folder::{NoHost, running_host};
use crate::world::tables_only;

/// The data folder, as every command takes it.
#[derive(Args, Clone, Debug)]
pub struct DataArg {
    /// The host's data folder
    #[arg(long, value_name = "FOLDER", default_value = ".drover")]
    pub data: PathBuf,
}

/// The running host's DynamoDB, for the commands that read or write it.
#[derive(Args, Clone, Debug)]
pub struct DatabaseArgs {
    #[command(flatten)]
    data: DataArg,
    /// DynamoDB's address [default: the running host's]
    #[arg(long, value_name = "ADDRESS")]
    dynamodb: Option<SocketAddr>,
}

impl DatabaseArgs {
    /// The host's tables. Somebody listens there: the SDK alone would tell of failed attempts, and
    /// not what to do about them.
    ///
    /// # Errors
    /// No host runs, or none answers.
    async fn tables(&self) -> Result<Aws, NoHost> {
        let address = match self.dynamodb {
            Some(address) => address,
            None => running_host(&self.data.data)?.addresses.dynamodb,
        };
        client::connect(address).await?;
        Ok(tables_only(address))
    }
}
