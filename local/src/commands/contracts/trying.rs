//! `drover contracts try CONTRACT RECORD…`: shows what a contract makes of records, without a host and without
//! storing anything. Each file is one record: a Kafka record's value, or one event of an HTTP request.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args as ClapArgs;
use drover_core::base::id::TenantId;
use drover_core::base::limits;
use drover_core::base::scope::TenantScope;
use drover_core::base::time::Timestamp;
use drover_core::intake::contract::{Contract, ContractDocument};
use drover_core::intake::fault::Fault;
use drover_core::intake::record::{Record, Source};
use drover_core::intake::trial::try_record;
use drover_query::check::answer::{CheckAnswer, CheckResult, NotJson};

use super::render;
use super::tried::Tried;

/// The file name for standard input.
const STDIN: &str = "-";
/// The topic of records with a key and no topic.
const TOPIC: &str = "records";
/// The request of records without key and topic.
const REQUEST_ID: &str = "try";

/// Show what a contract makes of records: each event with what its view reads, or why there is none
///
/// Exits with 1 if a record or one of its elements is rejected. Nothing is stored and no host is needed. The
/// framing of a topic's route and the clock rules of a tenant do not apply.
#[derive(ClapArgs, Clone, Debug)]
pub struct TryArgs {
    /// The contract document, or - for standard input
    contract: PathBuf,
    /// Files with one record each, or - for standard input
    #[arg(required = true, value_name = "RECORD")]
    records: Vec<PathBuf>,
    /// A header of every record; may be repeated
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// The Kafka key of every record
    #[arg(long)]
    key: Option<String>,
    /// The Kafka topic of every record; without key and topic they are read as events of an HTTP request
    #[arg(long)]
    topic: Option<String>,
    /// The tenant whose records these are
    #[arg(long, default_value = "demo", value_parser = tenant)]
    tenant: TenantId,
    /// When the records were received, as RFC 3339; now, unless it is given
    #[arg(long, value_name = "TIME", value_parser = time)]
    received: Option<Timestamp>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Whether every record was accepted or ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Nothing was rejected.
    Accepted,
    /// At least one record or element was rejected.
    Rejected,
}

/// What to print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The text.
    pub text: String,
    /// Whether something was rejected.
    pub ending: Ending,
}

/// Why nothing was tried.
#[derive(Debug, thiserror::Error)]
pub enum TryError {
    /// A file cannot be read.
    #[error("cannot read the file: path=`{path}`")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// Standard input is read once.
    #[error("standard input can be the contract or one record, not both")]
    StdinTwice,
    /// The contract is invalid.
    #[error("the contract is invalid: file=`{file}`{faults}")]
    Contract {
        /// The file.
        file: String,
        /// Every fault.
        faults: Faults,
    },
    /// The result cannot be serialized.
    #[error(transparent)]
    Payload(#[from] NotJson),
    /// The result cannot be serialized.
    #[error("cannot serialize the results as JSON")]
    Json(#[from] serde_json::Error),
}

/// The faults of a document, one on each line.
#[derive(Debug)]
pub struct Faults(pub(in crate::commands) Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|fault| write!(formatter, "\n  {fault}"))
    }
}

/// Tries every record.
///
/// # Errors
/// [`TryError`]
pub(super) fn run(args: &TryArgs, stdin: &mut impl Read) -> Result<Shown, TryError> {
    let files = || args.records.iter().chain([&args.contract]);
    if files().filter(|path| is_stdin(path)).count() > 1 {
        return Err(TryError::StdinTwice);
    }
    let contract = compiled(&args.contract, stdin)?;
    let scope = TenantScope::by_operator(args.tenant.clone());
    let received = args.received.unwrap_or_else(now);
    let mut tried = Vec::with_capacity(args.records.len());
    for (index, path) in args.records.iter().enumerate() {
        let record = args.record(index, read(path, stdin)?, received);
        let trials = try_record(&contract, &record, &scope, None);
        tried.push(Tried { file: path.display().to_string(), trials });
    }
    let text = if args.json { json(&contract, &tried)? } else { render::text(&tried) };
    let rejected = tried.iter().flat_map(|one| &one.trials).any(|one| one.outcome.is_rejected());
    let ending = if rejected { Ending::Rejected } else { Ending::Accepted };
    Ok(Shown { text, ending })
}

impl TryArgs {
    fn record(&self, index: usize, value: Vec<u8>, received: Timestamp) -> Record {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        let source = if self.key.is_none() && self.topic.is_none() {
            Source::Http { request_id: Arc::from(REQUEST_ID), index, element: None }
        } else {
            Source::Kafka {
                topic: Arc::from(self.topic.as_deref().unwrap_or(TOPIC)),
                partition: 0,
                offset: i64::from(index),
                timestamp: Some(received.micros() / 1_000),
                element: None,
            }
        };
        let headers = self.headers.iter();
        Record {
            source,
            key: self.key.as_ref().map(|key| key.as_bytes().to_vec()),
            value: Some(value),
            headers: headers
                .map(|(name, value)| (name.clone(), value.as_bytes().to_vec()))
                .collect(),
            received_at: Some(received),
            ingested_at: received,
        }
    }
}

/// Reads and compiles a contract.
pub(super) fn compiled(path: &Path, stdin: &mut impl Read) -> Result<Contract, TryError> {
    let invalid =
        |faults| TryError::Contract { file: path.display().to_string(), faults: Faults(faults) };
    let text = String::from_utf8(read(path, stdin)?)
        .map_err(|_| invalid(vec![Fault::new("", "the document is not UTF-8")]))?;
    let document = ContractDocument::parse(&text).map_err(invalid)?;
    Contract::compile(&document).map_err(invalid)
}

/// For programs: the response of `POST /api/v1/contracts/{name}/check`.
fn json(contract: &Contract, tried: &[Tried]) -> Result<String, TryError> {
    let mut answer = CheckAnswer::new(contract.name());
    for (index, record) in tried.iter().enumerate() {
        for trial in &record.trials {
            answer.add(CheckResult::of(index, trial)?);
        }
    }
    let mut text = serde_json::to_string_pretty(&answer)?;
    text.push('\n');
    Ok(text)
}

/// Reads at most one byte more than a record or a document may have.
fn read(path: &Path, stdin: &mut impl Read) -> Result<Vec<u8>, TryError> {
    const { assert!(limits::TRANSFORMED_BYTES >= limits::DOCUMENT_BYTES) };
    let limit = u64::try_from(limits::TRANSFORMED_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    let read = if is_stdin(path) {
        stdin.by_ref().take(limit).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    read.map_err(|source| TryError::Unreadable { path: path.to_owned(), source })?;
    Ok(bytes)
}

/// Whether a path stands for standard input.
pub(in crate::commands) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == STDIN
}

#[expect(clippy::disallowed_methods, reason = "records that are tried are received now")]
pub(in crate::commands) fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let millis = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(millis).unwrap_or(Timestamp::MAX)
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a header is NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Parses an argument.
pub(in crate::commands) fn tenant(text: &str) -> Result<TenantId, String> {
    TenantId::parse(text).map_err(|rejection| rejection.message)
}

/// Parses an argument.
pub(in crate::commands) fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse_rfc3339(text)
        .ok_or_else(|| "must be an RFC 3339 time with an offset".to_owned())
}

#[cfg(test)]
mod tests;
