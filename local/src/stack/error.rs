//! Why a stack does not answer, and what a person does about it.

use std::error::Error;

use super::service::Service;

/// Why a stack, or one of its functions, gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// The environment names none, or one that cannot be.
    #[error(
        "no region: set AWS_REGION, such as eu-central-1, or `region` in the profile that \
         AWS_PROFILE names"
    )]
    NoRegion,
    /// The environment has none, or those who should give them do not.
    #[error(
        "no credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; a session \
         of `aws sso login` or `aws login` is not read, hand it over with \
         `eval \"$(aws configure export-credentials --format env)\"`"
    )]
    NoCredentials(#[source] Box<dyn Error + Send + Sync>),
    /// CloudFormation knows no such stack.
    #[error("no stack has this name in this region: stack=`{stack}`, region=`{region}`")]
    Unknown {
        /// The name that was given.
        stack: String,
        /// Where it was looked for.
        region: String,
    },
    /// The stack is another one, or not complete.
    #[error(
        "the stack has no such output, is it Drover's app stack and deployed to the end: \
         stack=`{stack}`, output=`{output}`, status=`{status}`"
    )]
    NoOutput {
        /// The name that was given.
        stack: String,
        /// What it lacks.
        output: &'static str,
        /// CloudFormation's word for how the stack is.
        status: String,
    },
    /// The service understood and will not.
    #[error("{service} refused: status=`{status}`, code=`{code}`, said=`{message}`")]
    Refused {
        /// Which service.
        service: &'static str,
        /// Of HTTP.
        status: u16,
        /// The service's word for it.
        code: String,
        /// For a person.
        message: String,
    },
    /// The connection did not come about, or broke.
    #[error("no answer from {service}{}: endpoint=`{endpoint}`", still_running(service))]
    NoAnswer {
        /// Which service.
        service: &'static str,
        /// Where it was looked for.
        endpoint: String,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// No answer within the time that it may take.
    #[error(
        "no answer in time from {service}{}: endpoint=`{endpoint}`, seconds=`{seconds}`",
        still_running(service)
    )]
    TooSlow {
        /// Which service.
        service: &'static str,
        /// Where it is.
        endpoint: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// More bytes than are taken.
    #[error("the answer of {service} is too large, ask for less: limit=`{limit}` bytes")]
    TooLarge {
        /// Which service.
        service: &'static str,
        /// How many would have been taken.
        limit: usize,
    },
    /// Something else listens there.
    #[error("{service} gave an answer that makes no sense: endpoint=`{endpoint}`")]
    Senseless {
        /// Which service.
        service: &'static str,
        /// Where it was looked for.
        endpoint: String,
    },
    /// The endpoint, the function's name or the credentials have characters that no request can
    /// hold.
    #[error("{service} cannot be asked, is its endpoint a URL: endpoint=`{endpoint}`")]
    NoRequest {
        /// Which service.
        service: &'static str,
        /// Where it should be.
        endpoint: String,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// A function does not end with the one who called it.
fn still_running(service: &str) -> &'static str {
    if service == Service::Lambda.name() { ", the function may still run" } else { "" }
}
