//! A deployed stack, for a person at a command line: its tables and its functions, found by the
//! outputs that CloudFormation knows of it. Region and credentials are those of the environment.
//!
//! - `outputs`: what CloudFormation is asked, and how its answer is read
//! - `invoke`: the same for a call of a function
//! - `service`: where a service is
//! - `caller`: one signed request and its answer
//! - `error`: why there is none
//!
//! Both calls are written by hand: the services' own clients cost a minute and a half of build each,
//! in every first `cargo run`.
//!
//! Left out: what the SDK's larger features bring. Sessions of IAM Identity Center (SSO) and of
//! `aws login` are not read; [`StackError::NoCredentials`] says how to hand them over.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::config::SharedCredentialsProvider;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use drover_aws::{Aws, AwsConfig, sdk_config};

use self::caller::{CONNECT, Caller};
pub use self::error::StackError;
pub use self::invoke::Invoked;
use self::outputs::Outputs;

mod caller;
mod error;
mod invoke;
mod outputs;
mod service;

const ATTEMPT: Duration = Duration::from_secs(15);
const OPERATION: Duration = Duration::from_secs(40);

/// A function of the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StackFunction {
    /// Takes events.
    Ingest,
    /// Reads the stream.
    Processor,
    /// Answers questions.
    Query,
    /// Files letters and replays them.
    Replay,
}

impl StackFunction {
    /// The function of this name, as the local host names them.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "ingest" => Some(Self::Ingest),
            "processor" => Some(Self::Processor),
            "query" => Some(Self::Query),
            "replay" => Some(Self::Replay),
            _ => None,
        }
    }

    /// The output that holds its name.
    fn output(self) -> &'static str {
        match self {
            Self::Ingest => "IngestFunction",
            Self::Processor => "ProcessorFunction",
            Self::Query => "QueryFunction",
            Self::Replay => "ReplayFunction",
        }
    }
}

/// A stack that was found.
#[derive(Debug)]
pub struct Stack {
    sdk: SdkConfig,
    caller: Caller,
    outputs: Outputs,
}

impl Stack {
    /// Asks CloudFormation for the stack, by its name or its ARN.
    ///
    /// # Errors
    /// [`StackError`].
    pub async fn find(name: &str) -> Result<Self, StackError> {
        let sdk = sdk_config().await;
        let caller = Caller::new(&sdk)?;
        let outputs = outputs::of_stack(&caller, name).await?;
        Ok(Self { sdk, caller, outputs })
    }

    /// The ports on the stack's tables and queues. They keep the credentials of now: they are for
    /// one command and not for a day.
    ///
    /// # Errors
    /// [`StackError::NoOutput`], or what getting credentials ends in.
    pub async fn ports(&self) -> Result<Aws, StackError> {
        let output = |key| self.outputs.get(key).map(Into::into);
        let config = AwsConfig {
            ledger_table: output("LedgerTable")?,
            registry_table: output("RegistryTable")?,
            dead_letter_queue_url: output("DeadLetterQueueUrl")?,
            buffer_queue_url: output("BufferQueueUrl")?,
            requests_table: Some(output("RequestsTable")?),
            letters_table: Some(output("LettersTable")?),
        };
        // The SDK would get them within the time of a call, which a person at a prompt exceeds.
        let credentials = self.caller.credentials().await?;
        let sdk = self.sdk.clone().into_builder();
        let sdk = sdk.credentials_provider(SharedCredentialsProvider::new(credentials));
        Ok(Aws::new(&sdk.timeout_config(timeouts()).build(), config))
    }

    /// Calls a function and waits for its answer, as long as Lambda lets it run.
    ///
    /// # Errors
    /// [`StackError`]; a function's own error is none, but [`Invoked::function_failed`].
    pub async fn invoke(
        &self,
        function: StackFunction,
        event: Vec<u8>,
    ) -> Result<Invoked, StackError> {
        invoke::call(&self.caller, self.outputs.get(function.output())?, event).await
    }
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(OPERATION)
        .build()
}
