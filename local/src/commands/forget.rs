//! `drover forget TENANT KIND/ID`: deletes what is stored of a subject, before its time: its history, and
//! its letters under the tenant and under the operator. What was observed until then is refused
//! afterwards; what is observed later begins a new history.

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
/// What was observed before its newest event and comes later, or comes again, is refused as
/// beyond_retention. Letters without an established subject go if they hold the subject's id; those of
/// which nobody can tell are named. The answer is a receipt: what was deleted, and what is out of reach until when.
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    #[command(flatten)]
    subject: SubjectArgs,
    /// How long the topics keep records, for the receipt
    #[arg(long, value_name = "DAYS")]
    topic_days: Option<u32>,
    /// How long logs are kept (LogRetentionDays), for the receipt
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    log_days: u32,
    /// The receipt as one line of JSON
    #[arg(long)]
    json: bool,
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
    /// The receipt could not be written.
    #[error("the receipt could not be written as JSON")]
    Json(#[from] serde_json::Error),
}

/// Forgets the subject, and gives the receipt to print.
///
/// # Errors
/// [`ForgetError`].
pub async fn run(args: &Args) -> Result<String, ForgetError> {
    let key = args.subject.key()?;
    let aws = args.database.tables().await?;
    let requested_at = aws.now();
    let table = tenant_of(&aws, &key).await?.placement.table();
    // The history first: from then on no replay of a letter brings anything back.
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
    let _ = writeln!(out, "  repeat     from {}, for what was under way", receipt.repeat_from);
    let left = [
        (
            "left until they were replayed, because they hold records of others, too",
            &receipt.undelivered,
        ),
        ("left until they expire, because nobody can tell whose they are", &receipt.doubtful),
    ];
    for (why, Named { count, ids }) in left.into_iter().filter(|(_, named)| named.count > 0) {
        let _ = writeln!(out, "\n{why}: {count}");
        for id in ids {
            let _ = writeln!(out, "  {}", printable(id));
        }
    }
    out.push_str("\nout of reach\n");
    let gone_by = |gone_by: Option<Timestamp>| {
        gone_by.map_or_else(|| "not known here".to_owned(), |gone_by| gone_by.to_string())
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
