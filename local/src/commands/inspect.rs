//! `drover inspect TENANT KIND/ID`: a subject's head and pages, readable. It shows what is stored
//! and folds nothing: it is for the moment when one does not trust the view.

mod inspected;
mod render;

use clap::Args as ClapArgs;
use drover_aws::Aws;
use drover_core::base::error::Unavailable;
use drover_core::base::id::SubjectKey;
use drover_core::ledger::read::Question;
use drover_core::ports::SubjectLocation;
use drover_core::subject::reader;

pub use self::inspected::Inspected;
use super::subject::{NoSubject, SubjectArgs, tenant_of};
use super::target::{DatabaseArgs, NoTarget};

/// Show a subject's head, pages and newest entries
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    #[command(flatten)]
    subject: SubjectArgs,
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
    /// No subject.
    #[error(transparent)]
    NoSubject(#[from] NoSubject),
    /// No tables.
    #[error(transparent)]
    NoTarget(#[from] NoTarget),
    /// The tables gave no answer, or one that makes no sense.
    #[error("the subject could not be read")]
    Unavailable(#[from] Unavailable),
    /// The answer could not be written as JSON.
    #[error("the subject could not be written as JSON")]
    Json(#[from] serde_json::Error),
}

/// Reads the subject, and gives the text to print.
///
/// # Errors
/// [`InspectError`].
pub async fn run(args: &Args) -> Result<String, InspectError> {
    let key = args.subject.key()?;
    let inspected = read_subject(&args.database.tables().await?, &key).await?;
    if args.json {
        return Ok(render::json(&key, &inspected, args.limit)?);
    }
    Ok(render::text(&key, &inspected, args.limit))
}

/// Reads everything of a subject, wherever its tenant has its ledger.
async fn read_subject(aws: &Aws, key: &SubjectKey) -> Result<Inspected, InspectError> {
    let tenant = tenant_of(aws, key).await?;
    let location = SubjectLocation { key: key.clone(), table: tenant.placement.table() };
    let (snapshot, _) =
        reader::read(aws, &location, Question::History { from: None, to: None }).await?;
    Ok(Inspected { snapshot: snapshot.ok_or_else(|| NoSubject::unknown(key))? })
}
