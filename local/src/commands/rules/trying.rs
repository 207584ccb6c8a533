//! `drover rules try RULES RECORDS`: which episodes alert rules find in sample records, without a host and without
//! storing anything. The records may be in any order: the events of each subject are sorted first.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args as ClapArgs;
use drover_core::base::id::{Position, SubjectId};
use drover_core::base::scope::TenantScope;
use drover_core::base::time::Timestamp;
use drover_core::event::Entry;
use drover_core::intake::contract::{Contract, ContractDocument, builtin};
use drover_core::intake::fault::Fault;
use drover_core::intake::record::{Record, Source};
use drover_core::intake::rules::{Declared, Rules, compiled_against};
use drover_core::intake::trial::{TrialOutcome, try_record};
use drover_core::view::Specs;
use drover_core::view::rules::{RuleFold, RuleStates, RuleVersions, Watch};

use super::found::{Found, Subject};
use super::render;
use crate::commands::contracts::{Ending, Faults, Shown, is_stdin, now, reason, time};

/// Show which episodes alert rules find in sample records, one record a line
///
/// The records may be in any order. Rules and contracts are checked as by `drover apply`. Exits with 1 if a record
/// is rejected. Nothing is stored and no host is needed.
#[derive(ClapArgs, Clone, Debug)]
pub struct TryArgs {
    /// The document of the rules
    rules: PathBuf,
    /// A file with one record on each line, or - for standard input
    records: PathBuf,
    /// A contract that is not built in; may be repeated
    #[arg(long = "contract", value_name = "FILE")]
    contracts: Vec<PathBuf>,
    /// The contract that reads the records, if the rules name several
    #[arg(long, value_name = "NAME")]
    read_by: Option<String>,
    /// When the records were received, as RFC 3339; now, unless it is given
    #[arg(long, value_name = "TIME", value_parser = time)]
    received: Option<Timestamp>,
    /// Print JSON
    #[arg(long)]
    json: bool,
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
    /// A document is invalid.
    #[error("the document is invalid: file=`{file}`{faults}")]
    Invalid {
        /// The file.
        file: String,
        /// Every fault.
        faults: Faults,
    },
    /// A contract does not exist.
    #[error("no contract has this name: name=`{0}`; give its file with --contract")]
    NoContract(String),
    /// The rules name several contracts, or none.
    #[error("expected --read-by with the contract that reads the records: contracts=`{0}`")]
    WhichContract(String),
    /// The result cannot be serialized.
    #[error("cannot serialize the episodes as JSON")]
    Json(#[from] serde_json::Error),
}

/// Tries rules.
///
/// # Errors
/// [`TryError`]
pub(super) fn run(args: &TryArgs, stdin: &mut impl Read) -> Result<Shown, TryError> {
    let rules = rules(&args.rules)?;
    let contracts = contracts(args, &rules)?;
    let declared: BTreeMap<String, Declared> =
        contracts.iter().map(|(name, one)| (name.clone(), Declared::by(one))).collect();
    let version = compiled_against(&rules, &declared).map_err(invalid(&args.rules))?;
    let reader = reader(args, &rules, &contracts)?;
    let lines = records(&args.records, stdin)?;
    let mut found = Found {
        rules,
        contracts: declared,
        subjects: Vec::new(),
        rejected: Vec::new(),
        ignored: 0,
        duplicates: 0,
    };
    let received = args.received.unwrap_or_else(now);
    let histories = histories(reader, received, &lines, &mut found);
    let specs = Specs::from_iter([(reader.version(), reader.view_spec())]);
    let versions = RuleVersions::new(vec![version]);
    let subjects = histories.into_iter();
    found.subjects =
        subjects.map(|(id, entries)| subject(id, &entries, &specs, &versions)).collect();
    let ending = if found.rejected.is_empty() { Ending::Accepted } else { Ending::Rejected };
    let text = if args.json { render::json(&found)? } else { render::text(&found) };
    Ok(Shown { text, ending })
}

fn rules(path: &Path) -> Result<Rules, TryError> {
    Rules::parse(&read(path)?).map_err(invalid(path))
}

/// The contracts that the rules name, and the contract that reads the records.
fn contracts(args: &TryArgs, rules: &Rules) -> Result<BTreeMap<String, Contract>, TryError> {
    let mut documents = BTreeMap::new();
    for path in &args.contracts {
        let document = ContractDocument::parse(&read(path)?).map_err(invalid(path))?;
        documents.insert(document.name.clone(), (path.clone(), document));
    }
    let names: BTreeSet<&str> =
        rules.contracts().into_iter().chain(args.read_by.as_deref()).collect();
    let mut contracts = BTreeMap::new();
    for name in names {
        let given = documents.remove(name);
        let built_in = || Some((PathBuf::from(name), builtin(name).ok().flatten()?));
        let Some((path, document)) = given.or_else(built_in) else {
            // An unknown contract of a rule is a fault with its path.
            if args.read_by.as_deref() == Some(name) {
                return Err(TryError::NoContract(name.to_owned()));
            }
            continue;
        };
        let contract = Contract::compile(&document).map_err(invalid(&path))?;
        contracts.insert(name.to_owned(), contract);
    }
    Ok(contracts)
}

fn reader<'a>(
    args: &TryArgs,
    rules: &Rules,
    contracts: &'a BTreeMap<String, Contract>,
) -> Result<&'a Contract, TryError> {
    let names: Vec<&str> = rules.contracts().into_iter().collect();
    let name = match (&args.read_by, names.as_slice()) {
        (Some(name), _) => name.as_str(),
        (None, [one]) => *one,
        (None, _) => return Err(TryError::WhichContract(names.join(", "))),
    };
    contracts.get(name).ok_or_else(|| TryError::NoContract(name.to_owned()))
}

/// The sorted events of each subject.
type Histories = BTreeMap<SubjectId, BTreeMap<Position, Arc<Entry>>>;

fn histories(reader: &Contract, received: Timestamp, lines: &str, found: &mut Found) -> Histories {
    let scope = TenantScope::by_operator(found.rules.tenant.clone());
    let mut histories = Histories::new();
    for (index, line) in lines.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        for trial in try_record(reader, &record(index, line, received), &scope, None) {
            match trial.outcome {
                TrialOutcome::Ignored => found.ignored += 1,
                TrialOutcome::Rejected { rejection, .. } => {
                    found.rejected.push(format!("line {}: {}", index + 1, reason(&rejection)));
                }
                TrialOutcome::Accepted(tried) => {
                    let history = histories.entry(tried.event.subject.subject().clone());
                    let entry = tried.event.entry;
                    let before = history.or_default().insert(entry.position.clone(), entry);
                    found.duplicates += usize::from(before.is_some());
                }
            }
        }
    }
    histories
}

fn subject(
    id: SubjectId,
    entries: &BTreeMap<Position, Arc<Entry>>,
    specs: &Specs,
    versions: &RuleVersions,
) -> Subject {
    let versions = Arc::new(versions.of_kind(id.kind()));
    let specs = &specs.clone().with_rules(Arc::clone(&versions));
    let mut fold = RuleFold::from(RuleStates::default(), None);
    fold.take(entries.values(), specs);
    let newest = versions.newest().into_iter().flat_map(|version| version.rules.values());
    let silent = newest.filter_map(|rule| match &rule.watch {
        Watch::Absence { seconds, .. } => {
            Some((Arc::clone(&rule.id), fold.last_at()?.plus_seconds(*seconds)))
        }
        Watch::Values { .. } => None,
    });
    let silent = silent.collect();
    Subject { id, events: entries.len(), episodes: fold.episodes().to_vec(), silent }
}

fn record(index: usize, line: &str, received: Timestamp) -> Record {
    let index = u32::try_from(index).unwrap_or(u32::MAX);
    Record {
        source: Source::Http { request_id: Arc::from("try"), index, element: None },
        key: None,
        value: Some(line.as_bytes().to_vec()),
        headers: Vec::new(),
        received_at: Some(received),
        ingested_at: received,
    }
}

fn records(path: &Path, stdin: &mut impl Read) -> Result<String, TryError> {
    if !is_stdin(path) {
        return read(path);
    }
    let mut text = String::new();
    stdin.read_to_string(&mut text).map_err(unreadable(path))?;
    Ok(text)
}

fn read(path: &Path) -> Result<String, TryError> {
    fs::read_to_string(path).map_err(unreadable(path))
}

fn unreadable(path: &Path) -> impl Fn(std::io::Error) -> TryError + '_ {
    move |source| TryError::Unreadable { path: path.to_owned(), source }
}

fn invalid(path: &Path) -> impl Fn(Vec<Fault>) -> TryError + '_ {
    move |faults| TryError::Invalid { file: path.display().to_string(), faults: Faults(faults) }
}
