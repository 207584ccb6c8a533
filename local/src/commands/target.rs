//! The target of a command: a running host, or a stack on AWS. Only this module distinguishes the
//! two: commands get tables or a caller of functions.

use std::net::SocketAddr;
use std::path::Path;

use clap::Args;
use drover_aws::Aws;

use super::DataArg;
use super::caller::Caller;
use crate::client;
use crate::data_folder::{NoHost, running_host};
use crate::ports::tables_only;
use crate::registry::RelayedStreams;
use crate::stack::{Stack, StackError};

/// A stack instead of a running host.
#[derive(Args, Clone, Debug)]
pub struct StackArgs {
    /// Use a stack on AWS instead of a running host; requires --stack
    ///
    /// Region and credentials come from the environment: AWS_REGION, AWS_PROFILE (including roles,
    /// credential_process and web identities), AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY with
    /// AWS_SESSION_TOKEN, or the role of the machine. AWS_ENDPOINT_URL, alone or with the suffix of
    /// a service (_CLOUDFORMATION, _DYNAMODB, _LAMBDA), selects an emulator. Sessions of `aws sso
    /// login` or `aws login` are not supported; export their credentials with `eval "$(aws
    /// configure export-credentials --format env)"`. Proxies are not supported.
    #[arg(long, requires = "stack", conflicts_with = "data")]
    aws: bool,
    /// Name of the app stack; its tables and functions are read from its outputs
    #[arg(long, value_name = "STACK", requires = "aws")]
    stack: Option<String>,
}

/// The location of the tables, for the commands that read or write them.
#[derive(Args, Clone, Debug)]
pub struct DatabaseArgs {
    #[command(flatten)]
    data: DataArg,
    /// Address of DynamoDB [default: the running host's]
    #[arg(long, value_name = "ADDRESS", conflicts_with = "aws")]
    dynamodb: Option<SocketAddr>,
    #[command(flatten)]
    stack: StackArgs,
}

/// The location of the functions, for the commands that invoke them.
#[derive(Args, Clone, Debug)]
pub struct FunctionArgs {
    #[command(flatten)]
    data: DataArg,
    /// Address of the Invoke API [default: the running host's]
    #[arg(long, value_name = "ADDRESS", conflicts_with = "aws")]
    lambda: Option<SocketAddr>,
    #[command(flatten)]
    stack: StackArgs,
}

/// Why no target was found.
#[derive(Debug, thiserror::Error)]
pub enum NoTarget {
    /// No running host.
    #[error(transparent)]
    Host(#[from] NoHost),
    /// No stack, or not a Drover stack.
    #[error(transparent)]
    Stack(#[from] StackError),
}

impl StackArgs {
    async fn find(&self) -> Result<Option<Stack>, StackError> {
        match &self.stack {
            Some(name) => Stack::find(name).await.map(Some),
            None => Ok(None),
        }
    }
}

impl DatabaseArgs {
    /// The data folder of the host; `None`: the tables are those of a stack.
    pub(super) fn host_folder(&self) -> Option<&Path> {
        self.stack.stack.is_none().then_some(self.data.data.as_path())
    }

    /// The tables of the host or the stack.
    ///
    /// # Errors
    /// [`NoTarget`].
    pub(super) async fn tables(&self) -> Result<Aws, NoTarget> {
        self.tables_and_streams().await.map(|(tables, _)| tables)
    }

    /// The tables of the host or the stack, and the change streams that its relay reads.
    ///
    /// # Errors
    /// [`NoTarget`].
    pub(super) async fn tables_and_streams(&self) -> Result<(Aws, RelayedStreams), NoTarget> {
        if let Some(stack) = self.stack.find().await? {
            let streams = RelayedStreams::Listed(stack.tenant_streams());
            return Ok((stack.ports().await?, streams));
        }
        let address = match self.dynamodb {
            Some(address) => address,
            None => running_host(&self.data.data)?.addresses.dynamodb,
        };
        // Checks that something listens at the address: the SDK alone would report failed attempts,
        // and not the remedy.
        client::connect(address).await?;
        Ok((tables_only(address), RelayedStreams::OfEveryTable))
    }
}

impl DatabaseArgs {
    /// A caller for the functions beside the tables.
    ///
    /// # Errors
    /// [`NoTarget`]: among others if only the address of the tables is known.
    pub(super) async fn caller(&self) -> Result<Caller, NoTarget> {
        let (data, stack) = (self.data.clone(), self.stack.clone());
        FunctionArgs { data, lambda: None, stack }.caller().await
    }
}

impl FunctionArgs {
    /// A caller for the functions of the host or the stack.
    ///
    /// # Errors
    /// [`NoTarget`].
    pub(super) async fn caller(&self) -> Result<Caller, NoTarget> {
        if let Some(stack) = self.stack.find().await? {
            return Ok(Caller::Stack(Box::new(stack)));
        }
        Ok(Caller::Host(match self.lambda {
            Some(address) => address,
            None => running_host(&self.data.data)?.addresses.lambda,
        }))
    }
}
