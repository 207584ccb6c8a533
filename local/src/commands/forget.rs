//! `drover forget TENANT KIND/ID`: deletes what is stored of a subject, before its time. What was
//! observed until then is refused afterwards; what is observed later begins a new history.

use clap::Args as ClapArgs;
use drover_core::error::Unavailable;
use drover_core::forget::forget;
use drover_core::pipeline::ports::Home;

use super::subject::{NoSubject, SubjectArgs, tenant_of};
use super::target::{DatabaseArgs, NoTarget};

/// Delete a subject's history and view
///
/// What was observed before its newest event and comes later, or comes again, is refused as
/// beyond_retention. Letters, topics, logs and backups keep what they have.
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    #[command(flatten)]
    subject: SubjectArgs,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Why nothing was forgotten, or not all.
#[derive(Debug, thiserror::Error)]
pub enum ForgetError {
    /// No subject.
    #[error(transparent)]
    NoSubject(#[from] NoSubject),
    /// No tables.
    #[error(transparent)]
    NoTarget(#[from] NoTarget),
    /// The tables gave no answer, or one that makes no sense.
    #[error("the subject may not be forgotten yet, and the same command goes on with it")]
    Unavailable(#[from] Unavailable),
}

/// Forgets the subject, and gives the text to print.
///
/// # Errors
/// [`ForgetError`].
pub async fn run(args: &Args) -> Result<String, ForgetError> {
    let key = args.subject.key()?;
    let aws = args.database.tables().await?;
    let table = tenant_of(&aws, &key).await?.placement.table();
    let pages = forget(&aws, &Home { key: key.clone(), table }).await?;
    let pages = pages.ok_or_else(|| NoSubject::unknown(&key))?;
    Ok(format!("forgotten: {} {}, pages=`{pages}`\n", key.tenant(), key.subject()))
}
