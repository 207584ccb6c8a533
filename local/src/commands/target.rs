//! Whom a command speaks to: a running host, or a stack on AWS. Here and nowhere else is known which
//! of them it is: commands get tables, or somebody who calls functions.

use std::net::SocketAddr;

use clap::Args;
use drover_aws::Aws;

use super::DataArg;
use super::caller::Caller;
use crate::client;
use crate::data_folder::{NoHost, running_host};
use crate::ports::tables_only;
use crate::stack::{Stack, StackError};

/// A stack in place of a running host.
#[derive(Args, Clone, Debug)]
pub struct StackArgs {
    /// Speak to AWS, and not to a running host: to the stack that --stack names
    ///
    /// Region and credentials are those of the environment: AWS_REGION, AWS_PROFILE (roles,
    /// credential_process and web identities included), AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
    /// with AWS_SESSION_TOKEN, or the machine's own role. AWS_ENDPOINT_URL, alone or with a
    /// service's name (_CLOUDFORMATION, _DYNAMODB, _LAMBDA), leads to an emulator. A session of `aws
    /// sso login` or `aws login` is not read; hand it over with
    /// `eval "$(aws configure export-credentials --format env)"`. Proxies are not used.
    #[arg(long, requires = "stack", conflicts_with = "data")]
    aws: bool,
    /// The app stack: what it consists of is read from its outputs
    #[arg(long, value_name = "STACK", requires = "aws")]
    stack: Option<String>,
}

/// Where the tables are, for the commands that read or write them.
#[derive(Args, Clone, Debug)]
pub struct DatabaseArgs {
    #[command(flatten)]
    data: DataArg,
    /// DynamoDB's address [default: the running host's]
    #[arg(long, value_name = "ADDRESS", conflicts_with = "aws")]
    dynamodb: Option<SocketAddr>,
    #[command(flatten)]
    stack: StackArgs,
}

/// Where the functions are, for the commands that call them.
#[derive(Args, Clone, Debug)]
pub struct FunctionArgs {
    #[command(flatten)]
    data: DataArg,
    /// Lambda's address [default: the running host's]
    #[arg(long, value_name = "ADDRESS", conflicts_with = "aws")]
    lambda: Option<SocketAddr>,
    #[command(flatten)]
    stack: StackArgs,
}

/// Why there is nobody to speak to.
#[derive(Debug, thiserror::Error)]
pub enum NoTarget {
    /// No host.
    #[error(transparent)]
    Host(#[from] NoHost),
    /// No stack, or not one of ours.
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
    /// The tables of the host or the stack.
    ///
    /// # Errors
    /// [`NoTarget`].
    pub(super) async fn tables(&self) -> Result<Aws, NoTarget> {
        if let Some(stack) = self.stack.find().await? {
            return Ok(stack.ports().await?);
        }
        let address = match self.dynamodb {
            Some(address) => address,
            None => running_host(&self.data.data)?.addresses.dynamodb,
        };
        // Somebody listens there: the SDK alone would tell of failed attempts, and not what to do
        // about them.
        client::connect(address).await?;
        Ok(tables_only(address))
    }
}

impl FunctionArgs {
    /// Who calls the functions of the host or the stack.
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
