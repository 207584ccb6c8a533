//! The errors of a stack, with their remedies.

use std::error::Error;

use super::service::Service;

/// Why a stack, or one of its functions, did not answer.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// The environment names no region, or an invalid one.
    #[error(
        "no region: set AWS_REGION, such as eu-central-1, or `region` in the profile that \
         AWS_PROFILE names"
    )]
    NoRegion,
    /// The environment has no credentials, or their source failed.
    #[error(
        "no credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; a session \
         of `aws sso login` or `aws login` is not supported, export its credentials with \
         `eval \"$(aws configure export-credentials --format env)\"`"
    )]
    NoCredentials(#[source] Box<dyn Error + Send + Sync>),
    /// The stack does not exist.
    #[error("unknown stack in this region: stack=`{stack}`, region=`{region}`")]
    Unknown {
        /// The name that was given.
        stack: String,
        /// The region of the search.
        region: String,
    },
    /// The stack is not a Drover app stack, or not completely deployed.
    #[error(
        "the stack lacks an output, check that it is Drover's app stack and completely deployed: \
         stack=`{stack}`, output=`{output}`, status=`{status}`"
    )]
    NoOutput {
        /// The name that was given.
        stack: String,
        /// The missing output.
        output: &'static str,
        /// CloudFormation's status of the stack.
        status: String,
    },
    /// The service rejected the request.
    #[error(
        "{service} rejected the request: status=`{status}`, code=`{code}`, message=`{message}`"
    )]
    Refused {
        /// The service.
        service: &'static str,
        /// The HTTP status.
        status: u16,
        /// The service's error code.
        code: String,
        /// The service's message.
        message: String,
    },
    /// The connection failed.
    #[error("no response from {service}{}: endpoint=`{endpoint}`", still_running(service))]
    NoAnswer {
        /// The service.
        service: &'static str,
        /// The endpoint.
        endpoint: String,
        /// The error of the connection.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The response timed out.
    #[error(
        "timeout of {service}{}: endpoint=`{endpoint}`, seconds=`{seconds}`",
        still_running(service)
    )]
    TooSlow {
        /// The service.
        service: &'static str,
        /// The endpoint.
        endpoint: String,
        /// The timeout.
        seconds: u64,
    },
    /// The response exceeds the limit.
    #[error("the response of {service} is too large, request less: limit=`{limit}` bytes")]
    TooLarge {
        /// The service.
        service: &'static str,
        /// The limit in bytes.
        limit: usize,
    },
    /// The response is invalid; something else may listen at the endpoint.
    #[error("invalid response of {service}: endpoint=`{endpoint}`")]
    Senseless {
        /// The service.
        service: &'static str,
        /// The endpoint.
        endpoint: String,
    },
    /// The endpoint, the function's name or the credentials contain characters that a request
    /// cannot contain.
    #[error(
        "cannot build a request to {service}, check that the endpoint is a URL: \
         endpoint=`{endpoint}`"
    )]
    NoRequest {
        /// The service.
        service: &'static str,
        /// The endpoint.
        endpoint: String,
        /// The error of the request.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// The function continues when its caller disconnects.
fn still_running(service: &str) -> &'static str {
    if service == Service::Lambda.name() { ", the function may still run" } else { "" }
}
