//! `drover forget TENANT KIND/ID`: deletes the stored data of a subject before its retention ends:
//! its history, and its dead letters of the tenant and of the operator. Afterwards, events observed
//! before the deleted ones are rejected; later events start a new history.

use std::fmt::Write as _;

use clap::Args as ClapArgs;
use drover_core::base::error::Unavailable;
use drover_core::base::scope::TenantScope;
use drover_core::base::time::Timestamp;
use drover_core::dead_letter::letter::Owner;
use drover_core::ports::{Clock as _, SubjectLocation};
use drover_core::registry::Registry;
use drover_core::subject::forget::{Deleted, Named, Receipt, Retention, forget, forget_letters};

use super::subject::{NoSubject, SubjectArgs, tenant_of};
use super::target::{DatabaseArgs, NoTarget};
use super::text::{printable, table};

/// Delete a subject's history, view and letters
///
/// Events observed before the subject's newest event are rejected as beyond_retention if they
/// arrive or are redelivered later. Dead letters without an established subject are deleted if they
/// contain the subject's id; undecidable letters are listed. The output is a receipt: the deleted
/// items, and the copies out of reach with their expiry.
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    #[command(flatten)]
    subject: SubjectArgs,
    /// Retention of the topics, for the receipt
    #[arg(long, value_name = "DAYS")]
    topic_days: Option<u32>,
    /// Retention of logs (LogRetentionDays), for the receipt
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    log_days: u32,
    /// Print the receipt as one line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Why the subject was not forgotten, or not completely.
#[derive(Debug, thiserror::Error)]
pub enum ForgetError {
    /// The subject is invalid or unknown.
    #[error(transparent)]
    NoSubject(#[from] NoSubject),
    /// The tables were not found.
    #[error(transparent)]
    NoTarget(#[from] NoTarget),
    /// The tables did not answer, or their data is invalid.
    #[error("the subject may be only partly forgotten, run the same command again")]
    Unavailable(#[from] Unavailable),
    /// The receipt could not be serialized as JSON.
    #[error("cannot serialize the receipt as JSON")]
    Json(#[from] serde_json::Error),
}

/// Forgets the subject and returns the receipt to print.
///
/// # Errors
/// [`ForgetError`].
pub async fn run(args: &Args) -> Result<String, ForgetError> {
    let key = args.subject.key()?;
    let aws = args.database.tables().await?;
    let requested_at = aws.now();
    let table = tenant_of(&aws, &key).await?.placement.table();
    // History first: once it is deleted, replaying a letter cannot restore any of it.
    let history = forget(&aws, &SubjectLocation { key: key.clone(), table }).await?;
    let registry = Registry::new();
    let tenant = Owner::Tenant(TenantScope::by_operator(key.tenant().clone()));
    let letters = [
        forget_letters(&aws, &registry, &tenant, &key).await?,
        forget_letters(&aws, &registry, &Owner::Operator, &key).await?,
    ];
    let retention = Retention { topic_days: args.topic_days, log_days: args.log_days };
    let was_known = history.is_some();
    let receipt = Receipt::of(&key, requested_at, history.unwrap_or_default(), letters, retention);
    if !was_known && receipt.is_of_nothing() {
        return Err(NoSubject::unknown(&key).into());
    }
    if args.json {
        return Ok(serde_json::to_string(&receipt)? + "\n");
    }
    Ok(text(&receipt))
}

fn text(receipt: &Receipt) -> String {
    let Receipt { tenant, subject, deleted, .. } = receipt;
    let mut out = format!("forgotten: {tenant} {}\n", printable(subject));
    // Writing to a String cannot fail.
    let _ = writeln!(out, "  requested  {}", receipt.requested_at);
    let _ = writeln!(out, "  deleted    {}", counts(deleted));
    let _ = writeln!(out, "  repeat     from {}, for events in flight", receipt.repeat_from);
    let left = [
        (
            "kept until they are replayed, because they contain records of other subjects",
            &receipt.undelivered,
        ),
        ("kept until they expire, because their subject is unknown", &receipt.doubtful),
    ];
    for (why, Named { count, ids }) in left.into_iter().filter(|(_, named)| named.count > 0) {
        let _ = writeln!(out, "\n{why}: {count}");
        for id in ids {
            let _ = writeln!(out, "  {}", printable(id));
        }
    }
    out.push_str("\nout of reach\n");
    let gone_by = |gone_by: Option<Timestamp>| {
        gone_by.map_or_else(|| "unknown".to_owned(), |gone_by| gone_by.to_string())
    };
    let rows = receipt.out_of_reach.iter();
    let rows = rows.map(|one| [one.what.to_owned(), gone_by(one.gone_by), one.because.to_owned()]);
    table(&mut out, ["what", "gone by", "because"], &rows.collect::<Vec<_>>());
    out
}

fn counts(deleted: &Deleted) -> String {
    let Deleted { heads, pages, letters, operator_letters, chunks } = *deleted;
    let counts = [
        (heads, "head", "heads"),
        (pages, "page", "pages"),
        (letters, "letter of the tenant", "letters of the tenant"),
        (operator_letters, "letter of the operator", "letters of the operator"),
        (chunks, "chunk", "chunks"),
    ];
    let counts =
        counts.map(|(count, one, many)| format!("{count} {}", if count == 1 { one } else { many }));
    counts.join(", ")
}
