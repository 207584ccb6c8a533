//! A deployed stack, for the command line: its tables and functions, found by the stack's outputs
//! in CloudFormation. Region and credentials come from the environment.
//!
//! - `outputs`: the request to CloudFormation, and the parser of its response
//! - `invoke`: the same for the invocation of a function
//! - `service`: the endpoint of a service
//! - `caller`: one signed request and its response
//! - `error`: why a request failed
//!
//! Both requests are written by hand, because each of the services' own clients would add a minute
//! and a half of build time to every first `cargo run`.
//!
//! Not supported: sessions of IAM Identity Center (SSO) and of `aws login`, which need larger
//! features of the SDK; [`StackError::NoCredentials`] explains how to export their credentials.

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
    /// Receives events.
    Ingest,
    /// Tells targets about alerts.
    Notify,
    /// Processes the event log.
    Processor,
    /// Answers queries.
    Query,
    /// Sends feeds.
    Relay,
    /// Files and replays dead letters.
    Replay,
}

impl StackFunction {
    /// The function with this name, which is the name on the local host.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "ingest" => Some(Self::Ingest),
            "notify" => Some(Self::Notify),
            "processor" => Some(Self::Processor),
            "query" => Some(Self::Query),
            "relay" => Some(Self::Relay),
            "replay" => Some(Self::Replay),
            _ => None,
        }
    }

    /// The output that contains the function's name.
    fn output(self) -> &'static str {
        match self {
            Self::Ingest => "IngestFunction",
            Self::Notify => "NotifyFunction",
            Self::Processor => "ProcessorFunction",
            Self::Query => "QueryFunction",
            Self::Relay => "RelayFunction",
            Self::Replay => "ReplayFunction",
        }
    }
}

/// A stack that exists.
#[derive(Debug)]
pub struct Stack {
    sdk: SdkConfig,
    caller: Caller,
    outputs: Outputs,
}

impl Stack {
    /// Finds the stack in CloudFormation, by its name or its ARN.
    ///
    /// # Errors
    /// [`StackError`].
    pub async fn find(name: &str) -> Result<Self, StackError> {
        let sdk = sdk_config().await;
        let caller = Caller::new(&sdk)?;
        let outputs = outputs::of_stack(&caller, name).await?;
        Ok(Self { sdk, caller, outputs })
    }

    /// The ports on the stack's tables and queues. They keep the current credentials, so they are
    /// for one command only.
    ///
    /// # Errors
    /// [`StackError::NoOutput`], or an error of the credentials.
    pub async fn ports(&self) -> Result<Aws, StackError> {
        let output = |key| self.outputs.get(key).map(Into::into);
        let config = AwsConfig {
            ledger_table: output("LedgerTable")?,
            registry_table: output("RegistryTable")?,
            dead_letter_queue_url: output("DeadLetterQueueUrl")?,
            buffer_queue_url: output("BufferQueueUrl")?,
            requests_table: Some(output("RequestsTable")?),
            letters_table: Some(output("LettersTable")?),
            outputs_table: None,
            notifications_queue_url: None,
        };
        // The SDK would fetch credentials within the timeout of a call, which is too short for a
        // person at a prompt.
        let credentials = self.caller.credentials().await?;
        let sdk = self.sdk.clone().into_builder();
        let sdk = sdk.credentials_provider(SharedCredentialsProvider::new(credentials));
        Ok(Aws::new(&sdk.timeout_config(timeouts()).build(), config))
    }

    /// The ARNs of the change streams of tenants' own ledger tables that the relay reads.
    pub fn tenant_streams(&self) -> Vec<String> {
        let listed = self.outputs.find("RelayedStreamArns").unwrap_or_default();
        listed.split(',').filter(|arn| !arn.is_empty()).map(str::to_owned).collect()
    }

    /// Invokes a function and waits for its response, as long as Lambda lets it run.
    ///
    /// # Errors
    /// [`StackError`]; a function's own error is not an error here, but
    /// [`Invoked::function_failed`].
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
