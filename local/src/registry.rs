//! Documents into the registry: checked, compared with what is stored, written. `drover apply` and
//! the start of a host do it alike.

use std::fmt::Write as _;

use drover_aws::{Applied, Aws};
use drover_core::base::error::Unavailable;
use drover_core::intake::document::DocumentName;
use drover_core::ports::{Clock as _, Documents as _};
use drover_core::registry::{Change, Checked, Consent, Move, Plan, Refusal, Stored, Submitted};

pub(crate) use self::placement::{Doubt, Doubtful};

mod placement;

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// One for each document in order, then one for each key that was removed.
    pub(crate) effects: Vec<Effect>,
    /// The revision of the registry.
    pub(crate) revision: u64,
    /// Tenants whose ledgers are elsewhere now.
    pub(crate) moves: Vec<Move>,
    /// Ledger tables of tenants that are not there, or that nobody could look at.
    pub(crate) doubtful: Vec<Doubtful>,
}

/// What became of one stored document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Effect {
    pub(crate) kind: EffectKind,
    pub(crate) name: DocumentName,
    /// Where it was written; `None`: it was in a document that is replaced, and is not in the new
    /// one.
    pub(crate) origin: Option<String>,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EffectKind {
    /// It is new.
    Created,
    /// It replaced another.
    Replaced,
    /// It was there already.
    Unchanged,
    /// It is gone.
    Removed,
}

/// Why it was not applied, or not wholly.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The documents, by themselves or together. Nothing was written.
    #[error("nothing was applied, mend these first:{}", listed(.0))]
    Refused(Vec<Refusal>),
    /// Somebody else applied at the same time.
    #[error(
        "somebody else applied documents at the same time, run it again: document=`{}`",
        .0.storage_key()
    )]
    Overtaken(DocumentName),
    /// The registry gave no answer.
    #[error("the registry did not answer, run it again")]
    Unavailable(#[from] Unavailable),
}

/// Writes those documents that say something new, as far as the person who applies agrees.
///
/// # Errors
/// [`RegistryError`].
pub(crate) async fn apply(
    aws: &Aws,
    submitted: &Submitted,
    consent: Consent,
) -> Result<Outcome, RegistryError> {
    let checked = submitted.check().map_err(RegistryError::Refused)?;
    let mut stored = Stored::new();
    for name in checked.reads() {
        if let Some(document) = aws.document(&name).await? {
            stored.insert(name, document);
        }
    }
    let plan = checked.plan_with(consent, &stored, aws.now()).map_err(RegistryError::Refused)?;
    let (moves, doubtful) = (checked.moves(&stored), placement::doubtful(aws, &checked).await);
    placement::check_targets(&moves, &doubtful).map_err(RegistryError::Refused)?;
    match aws.apply(&plan).await? {
        Applied::Whole => {
            let (effects, revision) = (effects(&checked, &plan), plan.revision);
            Ok(Outcome { effects, revision, moves, doubtful })
        }
        Applied::Overtaken(name) => Err(RegistryError::Overtaken(name)),
    }
}

fn effects(checked: &Checked, plan: &Plan) -> Vec<Effect> {
    let kind_of = |name: &DocumentName| {
        let write = plan.writes.iter().find(|write| write.name == *name);
        match write.map(|write| &write.change) {
            None => EffectKind::Unchanged,
            Some(Change::Put { replaces: None, .. }) => EffectKind::Created,
            Some(Change::Put { replaces: Some(_), .. }) => EffectKind::Replaced,
            Some(Change::Delete) => EffectKind::Removed,
        }
    };
    let submitted = checked.names().map(|(origin, name)| Effect {
        kind: kind_of(&name),
        name,
        origin: Some(origin.to_owned()),
    });
    let removed = plan.writes.iter().filter(|write| write.change == Change::Delete);
    let removed = removed.map(|write| Effect {
        kind: EffectKind::Removed,
        name: write.name.clone(),
        origin: None,
    });
    submitted.chain(removed).collect()
}

/// A line for each.
fn listed(refusals: &[Refusal]) -> String {
    let mut text = String::new();
    for refusal in refusals {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n  {refusal}");
    }
    text
}
