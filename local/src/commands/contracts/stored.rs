//! `drover contracts list` and `drover contracts show`: the contracts of a registry and their versions.

use clap::Args as ClapArgs;
use drover_aws::Aws;
use drover_core::base::error::Unavailable;
use drover_core::intake::contract::{ContractDocument, builtin};
use drover_core::ports::Clock as _;
use drover_core::registry::{Registry, StoredContract};
use serde::Serialize;

use crate::commands::target::{DatabaseArgs, NoTarget};
use crate::commands::text::{printable, table};

/// The most versions of one contract that a list shows, the newest first.
const LISTED_VERSIONS: u32 = 100;

/// List the contracts with their current versions, or the versions of one contract
///
/// Version 0 is a contract that Drover brings along. Applying a changed contract makes the next version; events
/// keep the version that read them.
#[derive(ClapArgs, Clone, Debug)]
pub struct ListArgs {
    /// List the versions of this contract, the newest first, at most 100
    name: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Print a contract as `drover apply` takes it
#[derive(ClapArgs, Clone, Debug)]
pub struct ShowArgs {
    /// The contract, with @N its version N; otherwise the current version
    #[arg(value_name = "NAME[@N]", value_parser = named)]
    contract: Named,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// A contract, or one of its versions.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    name: String,
    version: Option<u32>,
}

/// Why contracts are not shown.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    /// The tables were not found.
    #[error(transparent)]
    NoTarget(#[from] NoTarget),
    /// The registry did not answer, or its data is invalid.
    #[error("cannot read the registry")]
    Unavailable(#[from] Unavailable),
    /// The contract does not exist.
    #[error("no contract has this name: name=`{0}`; `drover contracts list` shows the names")]
    Unknown(String),
    /// The contract has other versions.
    #[error(
        "the contract has no such version: name=`{name}` version=`{version}` newest=`{newest}`"
    )]
    NoVersion {
        /// The contract.
        name: String,
        /// The version that was given.
        version: u32,
        /// The current version.
        newest: u32,
    },
    /// The output could not be serialized as JSON.
    #[error("cannot serialize the contracts as JSON")]
    Json(#[from] serde_json::Error),
}

/// A version of a contract in a list.
#[derive(Serialize)]
struct Row {
    name: String,
    version: u32,
    applied_at: Option<String>,
    applied_by: Option<String>,
    description: Option<String>,
}

impl Row {
    fn stored(stored: StoredContract) -> Self {
        let StoredContract { version, applied_at, applied_by, contract } = stored;
        Self {
            version,
            applied_at: Some(applied_at.to_string()),
            applied_by: Some(applied_by),
            ..Self::built_in(contract)
        }
    }

    fn built_in(contract: ContractDocument) -> Self {
        let ContractDocument { name, description, .. } = contract;
        Self { name, version: 0, applied_at: None, applied_by: None, description }
    }

    fn cells(&self) -> [String; 5] {
        let or_dash = |text: &Option<String>| {
            let text = text.as_deref().filter(|text| !text.is_empty());
            printable(text.unwrap_or("-"))
        };
        [
            printable(&self.name),
            self.version.to_string(),
            or_dash(&self.applied_at),
            self.applied_by.as_deref().map_or_else(|| "built in".to_owned(), printable),
            or_dash(&self.description),
        ]
    }
}

/// Lists contracts or versions.
///
/// # Errors
/// [`StoredError`].
pub(super) async fn list(args: &ListArgs) -> Result<String, StoredError> {
    let aws = args.database.tables().await?;
    let rows = match &args.name {
        None => contracts(&aws).await?,
        Some(name) => versions(&aws, name).await?,
    };
    if args.json {
        return Ok(serde_json::to_string_pretty(&rows)? + "\n");
    }
    let mut text = String::new();
    let cells: Vec<_> = rows.iter().map(Row::cells).collect();
    table(&mut text, ["name", "version", "applied_at", "applied_by", "description"], &cells);
    Ok(text)
}

/// Prints a version of a contract.
///
/// # Errors
/// [`StoredError`].
pub(super) async fn show(args: &ShowArgs) -> Result<String, StoredError> {
    let aws = args.database.tables().await?;
    let Named { name, version } = &args.contract;
    let registry = Registry::new();
    let current = registry.stored_contract(name, None, &aws).await?;
    let newest = current.as_ref().map_or(0, |current| current.version);
    let contract = match version {
        None => current.map(|stored| stored.contract).or_else(|| built_in(name)),
        Some(0) => built_in(name),
        Some(number) => {
            let stored = registry.stored_contract(name, Some(*number), &aws).await?;
            stored.map(|stored| stored.contract)
        }
    };
    let missing = || match version {
        Some(version) if newest > 0 || built_in(name).is_some() => {
            StoredError::NoVersion { name: name.clone(), version: *version, newest }
        }
        _ => StoredError::Unknown(name.clone()),
    };
    Ok(serde_json::to_string_pretty(&contract.ok_or_else(missing)?)? + "\n")
}

/// The current version of each contract.
async fn contracts(aws: &Aws) -> Result<Vec<Row>, StoredError> {
    let registry = Registry::new();
    let mut rows = Vec::new();
    for name in registry.contracts(aws.now(), aws).await?.into_keys() {
        let stored = registry.stored_contract(&name, None, aws).await?;
        rows.extend(stored.map(Row::stored).or_else(|| built_in(&name).map(Row::built_in)));
    }
    Ok(rows)
}

/// The versions of a contract, the newest first.
async fn versions(aws: &Aws, name: &str) -> Result<Vec<Row>, StoredError> {
    let registry = Registry::new();
    let current = registry.stored_contract(name, None, aws).await?;
    let newest = current.map_or(0, |current| current.version);
    let mut rows = Vec::new();
    for number in (1..=newest).rev().take(LISTED_VERSIONS as usize) {
        let stored = registry.stored_contract(name, Some(number), aws).await?;
        rows.extend(stored.map(Row::stored));
    }
    if newest < LISTED_VERSIONS {
        rows.extend(built_in(name).map(Row::built_in));
    }
    if rows.is_empty() { Err(StoredError::Unknown(name.to_owned())) } else { Ok(rows) }
}

fn built_in(name: &str) -> Option<ContractDocument> {
    builtin(name).ok().flatten()
}

fn named(text: &str) -> Result<Named, String> {
    let Some((name, version)) = text.split_once('@') else {
        return Ok(Named { name: text.to_owned(), version: None });
    };
    let version = version.parse().map_err(|_| {
        format!("the version after @ must be a whole number from 0, for example {name}@1")
    })?;
    Ok(Named { name: name.to_owned(), version: Some(version) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_named_after_an_at_sign() {
        let named_as = |name: &str, version| Ok(Named { name: name.to_owned(), version });
        assert_eq!(named("mine"), named_as("mine", None));
        assert_eq!(named("mine@0"), named_as("mine", Some(0)));
        assert_eq!(named("mine@12"), named_as("mine", Some(12)));
        for wrong in ["mine@", "mine@x", "mine@-1", "mine@1@2"] {
            let fault = named(wrong).unwrap_err();
            assert!(fault.contains("mine@1"), "{fault}");
        }
    }
}
