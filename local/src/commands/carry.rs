//! `drover carry TENANT KIND/ID`: brings the views of a subject up to date behind late events. Commits do
//! so by themselves when it is due; this does it now.

use clap::Args as ClapArgs;
use drover_core::base::error::Unavailable;
use drover_core::base::limits::ItemLimits;
use drover_core::ledger::dialogue::CommitParams;
use drover_core::pipeline::subject::carry;
use drover_core::ports::SubjectLocation;
use drover_core::registry::Registry;

use super::subject::{NoSubject, SubjectArgs, tenant_of};
use super::target::{DatabaseArgs, NoTarget};

/// Bring a subject's views up to date behind late events
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    #[command(flatten)]
    subject: SubjectArgs,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Why views are not up to date.
#[derive(Debug, thiserror::Error)]
pub enum CarryError {
    /// No subject.
    #[error(transparent)]
    NoSubject(#[from] NoSubject),
    /// No tables.
    #[error(transparent)]
    NoTarget(#[from] NoTarget),
    /// The tables did not answer, or concurrent writers won every attempt.
    #[error("some views may still be stale, repeat the command to continue")]
    Unavailable(#[from] Unavailable),
}

/// Updates the stale views of a subject. Returns the line to print.
///
/// # Errors
/// [`CarryError`].
pub async fn run(args: &Args) -> Result<String, CarryError> {
    let key = args.subject.key()?;
    let aws = args.database.tables().await?;
    let tenant = tenant_of(&aws, &key).await?;
    let location = SubjectLocation { key: key.clone(), table: tenant.placement.table() };
    let params = CommitParams::new(key.clone(), tenant.policy(), ItemLimits::STANDARD);
    let (head, units) = carry(&aws, &Registry::new(), location, params).await?;
    let head = head.filter(|head| head.version > 0).ok_or_else(|| NoSubject::unknown(&key))?;
    Ok(format!(
        "{} {}: up to date at version {} ({} write units, {} read units)\n",
        key.tenant(),
        key.subject(),
        head.version,
        units.write,
        units.read,
    ))
}
