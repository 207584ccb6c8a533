//! `drover inspect TENANT KIND/ID`: shows the head and the pages of a subject as stored, without
//! folding: for checking a suspicious view.

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
    /// Maximum number of entries to show, newest last
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
    /// The subject is invalid or unknown.
    #[error(transparent)]
    NoSubject(#[from] NoSubject),
    /// The tables were not found.
    #[error(transparent)]
    NoTarget(#[from] NoTarget),
    /// The tables did not answer, or their data is invalid.
    #[error("cannot read the subject")]
    Unavailable(#[from] Unavailable),
    /// The output could not be serialized as JSON.
    #[error("cannot serialize the subject as JSON")]
    Json(#[from] serde_json::Error),
}

/// Reads the subject and returns the text to print.
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

/// Reads the whole subject from the ledger of its tenant.
async fn read_subject(aws: &Aws, key: &SubjectKey) -> Result<Inspected, InspectError> {
    let tenant = tenant_of(aws, key).await?;
    let location = SubjectLocation { key: key.clone(), table: tenant.placement.table() };
    let (snapshot, _) =
        reader::read(aws, &location, Question::History { from: None, to: None }).await?;
    Ok(Inspected {
        snapshot: snapshot.ok_or_else(|| NoSubject::unknown(key))?,
        lateness_seconds: tenant.policy().lateness_seconds,
    })
}
