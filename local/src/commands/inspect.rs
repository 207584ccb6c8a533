//! `drover inspect TENANT KIND/ID`: a subject's head and pages, readable. It shows what is stored
//! and folds nothing: it is for the moment when one does not trust the view.

mod render;

use clap::Args as ClapArgs;
use drover_core::aws::Aws;
use drover_core::error::{Rejection, Unavailable};
use drover_core::id::{SubjectId, SubjectKey, TenantId};
use drover_core::ledger::read::{Cut, Question};
use drover_core::pipeline::ports::{Clock as _, Home};
use drover_core::reader;
use drover_core::registry::Registry;
use drover_core::tenant::TenantScope;

use super::target::{DatabaseArgs, NoTarget};

/// Show a subject's head, pages and newest entries
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    /// The tenant
    tenant: String,
    /// The subject, for example device/device-001
    #[arg(value_name = "KIND/ID")]
    subject: String,
    /// Show at most so many entries, the newest
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// No subject can have this name.
    #[error("not a tenant and a subject: tenant=`{tenant}`, subject=`{subject}`")]
    Name {
        /// The tenant that was given.
        tenant: String,
        /// The subject that was given.
        subject: String,
        /// What is wrong with it.
        source: Rejection,
    },
    /// No tables.
    #[error(transparent)]
    NoTarget(#[from] NoTarget),
    /// No such tenant.
    #[error("no tenant has this name: tenant=`{tenant}`")]
    UnknownTenant {
        /// The tenant.
        tenant: TenantId,
    },
    /// Nothing was ever written of it.
    #[error("nothing is stored of this subject: tenant=`{tenant}`, subject=`{subject}`")]
    Unknown {
        /// The tenant.
        tenant: TenantId,
        /// The subject.
        subject: SubjectId,
    },
    /// The tables gave no answer, or one that makes no sense.
    #[error("the subject could not be read")]
    Unavailable(#[from] Unavailable),
    /// The answer could not be written as JSON.
    #[error("the subject could not be written as JSON")]
    Json(#[from] serde_json::Error),
}

/// A subject's whole history, and what its tenant says about it.
#[derive(Clone, Debug)]
pub struct Inspected {
    /// Head and pages.
    pub cut: Cut,
    /// How far behind the watermark something counts as settled.
    pub lateness_seconds: i64,
}

/// Reads the subject, and gives the text to print.
///
/// # Errors
/// [`InspectError`].
pub async fn run(args: &Args) -> Result<String, InspectError> {
    let key = subject_key(args)?;
    let inspected = read_subject(&args.database.tables().await?, &key).await?;
    if args.json {
        return Ok(render::json(&key, &inspected, args.limit)?);
    }
    Ok(render::text(&key, &inspected, args.limit))
}

/// Reads everything of a subject, wherever its tenant has its ledger.
async fn read_subject(aws: &Aws, key: &SubjectKey) -> Result<Inspected, InspectError> {
    let tenant = Registry::new().tenant(key.tenant(), aws.now(), aws).await?;
    let unknown = || InspectError::UnknownTenant { tenant: key.tenant().clone() };
    let tenant = tenant.ok_or_else(unknown)?;
    let home = Home { key: key.clone(), table: tenant.placement.table() };
    let (cut, _) = reader::read(aws, &home, Question::History { from: None, to: None }).await?;
    let unknown =
        || InspectError::Unknown { tenant: key.tenant().clone(), subject: key.subject().clone() };
    Ok(Inspected {
        cut: cut.ok_or_else(unknown)?,
        lateness_seconds: tenant.policy().lateness_seconds,
    })
}

/// Who runs this can read the database file as well, or has the stack's tables from IAM: the
/// operator's word is enough.
fn subject_key(args: &Args) -> Result<SubjectKey, InspectError> {
    let parse = || {
        let scope = TenantScope::by_operator(TenantId::parse(&args.tenant)?);
        Ok(scope.subject(SubjectId::parse(&args.subject)?))
    };
    parse().map_err(|source| InspectError::Name {
        tenant: args.tenant.clone(),
        subject: args.subject.clone(),
        source,
    })
}
