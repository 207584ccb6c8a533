//! `drover rules list` and `drover rules show`: the alert rules of a tenant and their versions.

use clap::Args as ClapArgs;
use drover_aws::Aws;
use drover_core::base::error::Unavailable;
use drover_core::base::id::TenantId;
use drover_core::ports::Clock as _;
use drover_core::registry::{Registry, StoredRules};
use serde::Serialize;

use crate::commands::contracts::tenant;
use crate::commands::target::{DatabaseArgs, NoTarget};
use crate::commands::text::{printable, table};

/// The most versions that a list shows, the newest first.
const LISTED_VERSIONS: u32 = 100;

/// List the alert rules of a tenant, or the versions of its rules
#[derive(ClapArgs, Clone, Debug)]
pub struct ListArgs {
    /// The tenant
    #[arg(value_parser = tenant)]
    tenant: TenantId,
    /// List the versions instead, the newest first, at most 100
    #[arg(long)]
    versions: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Print the alert rules of a tenant as `drover apply` takes them
#[derive(ClapArgs, Clone, Debug)]
pub struct ShowArgs {
    /// The tenant, with @N version N of its rules; otherwise the current version
    #[arg(value_name = "TENANT[@N]", value_parser = named)]
    rules: Named,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// The rules of a tenant, or one of their versions.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    tenant: TenantId,
    version: Option<u32>,
}

/// Why rules are not shown.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    /// The tables were not found.
    #[error(transparent)]
    NoTarget(#[from] NoTarget),
    /// The registry did not answer, or its data is invalid.
    #[error("cannot read the registry")]
    Unavailable(#[from] Unavailable),
    /// The stored rules are invalid.
    #[error("the stored rules are invalid: tenant=`{tenant}` fault=`{fault}`")]
    Invalid {
        /// The tenant.
        tenant: TenantId,
        /// The fault.
        fault: String,
    },
    /// There are no rules.
    #[error("the tenant has no rules: tenant=`{0}`; apply a folder with rules/*.json")]
    None(TenantId),
    /// The rules have other versions.
    #[error(
        "the rules have no such version: tenant=`{tenant}` version=`{version}` newest=`{newest}`"
    )]
    NoVersion {
        /// The tenant.
        tenant: TenantId,
        /// The version that was given.
        version: u32,
        /// The current version.
        newest: u32,
    },
    /// The output could not be serialized as JSON.
    #[error("cannot serialize the rules as JSON")]
    Json(#[from] serde_json::Error),
}

/// A version in a list.
#[derive(Serialize)]
struct VersionRow {
    version: u32,
    applied_at: String,
    applied_by: String,
    starts_at: String,
    state: &'static str,
    rules: usize,
}

/// Lists rules or versions.
///
/// # Errors
/// [`StoredError`].
pub(super) async fn list(args: &ListArgs) -> Result<String, StoredError> {
    let aws = args.database.tables().await?;
    let current = stored(&aws, &args.tenant, None).await?;
    let current = current.ok_or_else(|| StoredError::None(args.tenant.clone()))?;
    if args.versions {
        return versions(&aws, args, current.version).await;
    }
    let checked = current.checked();
    let rules = checked
        .map_err(|fault| StoredError::Invalid { tenant: args.tenant.clone(), fault })?
        .document
        .rules;
    if args.json {
        return Ok(serde_json::to_string_pretty(&rules)? + "\n");
    }
    let rows = rules.into_iter().map(|rule| {
        let watches = match (rule.absent, rule.measure.or(rule.text)) {
            (Some(absent), _) => format!("silent for {} s", absent.seconds),
            (None, watched) => watched.unwrap_or_else(|| "several".to_owned()),
        };
        let description = rule.description.filter(|text| !text.is_empty());
        let description = description.unwrap_or_else(|| "-".to_owned());
        [rule.id, rule.contract, watches, description].map(|cell| printable(&cell))
    });
    let mut text = String::new();
    let rows: Vec<_> = rows.collect();
    table(&mut text, ["rule", "contract", "watches", "description"], &rows);
    Ok(text)
}

/// Prints a version of the rules.
///
/// # Errors
/// [`StoredError`].
pub(super) async fn show(args: &ShowArgs) -> Result<String, StoredError> {
    let aws = args.database.tables().await?;
    let Named { tenant, version } = &args.rules;
    let current = stored(&aws, tenant, None).await?;
    let current = current.ok_or_else(|| StoredError::None(tenant.clone()))?;
    let newest = current.version;
    let found = match version {
        None => Some(current),
        Some(_) => stored(&aws, tenant, *version).await?,
    };
    let missing = || {
        let (tenant, version) = (tenant.clone(), version.unwrap_or_default());
        StoredError::NoVersion { tenant, version, newest }
    };
    Ok(serde_json::to_string_pretty(&found.ok_or_else(missing)?.rules)? + "\n")
}

/// The versions, the newest first.
async fn versions(aws: &Aws, args: &ListArgs, newest: u32) -> Result<String, StoredError> {
    let (mut rows, now) = (Vec::new(), aws.now());
    let mut is_later_in_force = false;
    for number in (1..=newest).rev().take(LISTED_VERSIONS as usize) {
        let Some(stored) = stored(aws, &args.tenant, Some(number)).await? else { continue };
        let state = match (stored.starts_at > now, is_later_in_force) {
            (true, _) => "starts later",
            (false, false) => "in force",
            (false, true) => "replaced",
        };
        is_later_in_force |= stored.starts_at <= now;
        let rules = stored.rules.get("rules").and_then(serde_json::Value::as_array);
        rows.push(VersionRow {
            version: stored.version,
            applied_at: stored.applied_at.to_string(),
            applied_by: stored.applied_by,
            starts_at: stored.starts_at.to_string(),
            state,
            rules: rules.map_or(0, Vec::len),
        });
    }
    if args.json {
        return Ok(serde_json::to_string_pretty(&rows)? + "\n");
    }
    let cells = rows.iter().map(|row| {
        let VersionRow { version, applied_at, applied_by, starts_at, state, rules } = row;
        [
            version.to_string(),
            applied_at.clone(),
            printable(applied_by),
            starts_at.clone(),
            (*state).to_owned(),
            rules.to_string(),
        ]
    });
    let (mut text, cells) = (String::new(), cells.collect::<Vec<_>>());
    let names = ["version", "applied_at", "applied_by", "starts_at", "state", "rules"];
    table(&mut text, names, &cells);
    Ok(text)
}

async fn stored(
    aws: &Aws,
    tenant: &TenantId,
    version: Option<u32>,
) -> Result<Option<StoredRules>, Unavailable> {
    Registry::new().stored_rules(tenant, version, aws).await
}

fn named(text: &str) -> Result<Named, String> {
    let Some((name, version)) = text.split_once('@') else {
        return Ok(Named { tenant: tenant(text)?, version: None });
    };
    let version = version
        .parse()
        .map_err(|_| format!("the version after @ must be a whole number, for example {name}@1"))?;
    Ok(Named { tenant: tenant(name)?, version: Some(version) })
}
