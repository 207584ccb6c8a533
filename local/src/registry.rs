//! Applies documents to the registry: validates them, compares them with the stored documents, and
//! writes the changes. `drover apply` and the start of a host use this.

use std::fmt::Write as _;

use drover_aws::{Applied, Aws, REGISTRY_WRITES};
use drover_core::base::error::Unavailable;
use drover_core::base::id::TenantId;
use drover_core::intake::document::DocumentName;
use drover_core::ports::{Clock as _, Documents as _};
use drover_core::registry::{Change, Checked, Consent, Move, Plan, Refusal, Stored, Submitted};

pub(crate) use self::differences::{Difference, differences};
pub(crate) use self::placement::{Doubt, Doubtful};
pub(crate) use self::streams::RelayedStreams;

mod differences;
mod placement;
mod silences;
mod streams;

/// How documents are applied.
pub(crate) struct Applying<'a> {
    /// The changes that the user allows.
    pub(crate) consent: Consent,
    /// The change streams that the relay reads.
    pub(crate) streams: RelayedStreams,
    /// The name of the person; versions of contracts keep it.
    pub(crate) by: &'a str,
}

/// The result of applying documents.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// One effect for each document in order, then one for each removed key.
    pub(crate) effects: Vec<Effect>,
    /// The revision of the registry.
    pub(crate) revision: u64,
    /// The tenants whose ledger has moved.
    pub(crate) moves: Vec<Move>,
    /// Ledger tables of tenants that do not exist or could not be checked.
    pub(crate) doubtful: Vec<Doubtful>,
    /// The tenants with a rule about silence that is new or changed.
    pub(crate) watching: Vec<TenantId>,
}

/// The effect on one stored document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Effect {
    pub(crate) kind: EffectKind,
    pub(crate) name: DocumentName,
    /// The new version of a contract, or of a tenant's rules, that was created or replaced.
    pub(crate) version: Option<u32>,
    /// The differences from the replaced document.
    pub(crate) differences: Vec<Difference>,
    /// The origin of the document; `None` for a key that the new version of its document no longer
    /// contains.
    pub(crate) origin: Option<String>,
}

impl Effect {
    /// The document, with its version and its file, for people.
    pub(crate) fn document(&self) -> String {
        let mut text = match &self.name {
            DocumentName::Tenant(id) => format!("tenant {id}"),
            DocumentName::Contract(name) => format!("contract {name}"),
            DocumentName::ContractVersion(name, number) => format!("contract {name}@{number}"),
            DocumentName::Topic(topic) => format!("topic {topic}"),
            DocumentName::Rules(tenant) => format!("rules {tenant}"),
            DocumentName::RulesVersion(tenant, number) => format!("rules {tenant}@{number}"),
            DocumentName::Key(sha256) => format!("key with sha256 {sha256}"),
            DocumentName::Revision => "revision".to_owned(),
        };
        if let Some(version) = self.version {
            // Writing to a String cannot fail.
            let _ = write!(text, "@{version}");
        }
        if let Some(origin) = &self.origin {
            let _ = write!(text, "  {origin}");
        }
        text
    }
}

/// The kind of an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EffectKind {
    /// The document is new.
    Created,
    /// The document replaced another version.
    Replaced,
    /// The document was already stored.
    Unchanged,
    /// The document is removed.
    Removed,
}

/// Why documents were not applied, or only some of them.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The documents are invalid, alone or together. Nothing was written.
    #[error("nothing was applied, correct these errors first:{}", listed(.0))]
    Refused(Vec<Refusal>),
    /// Another process applied documents at the same time.
    #[error(
        "another process applied documents at the same time, run the command again: document=`{}`",
        .0.storage_key()
    )]
    Overtaken(DocumentName),
    /// The documents change too much. Nothing was written.
    #[error(
        "nothing was applied: the documents change too much for one transaction, apply a part of the folder first: writes=`{writes}` limit=`{REGISTRY_WRITES}`"
    )]
    TooMany {
        /// The number of writes. A contract has two: its version and its pointer.
        writes: usize,
    },
    /// The registry did not answer.
    #[error("the registry did not answer, run the command again")]
    Unavailable(#[from] Unavailable),
}

/// Writes the changed documents, within the consent of the user.
///
/// # Errors
/// [`RegistryError`].
pub(crate) async fn apply(
    aws: &Aws,
    submitted: &Submitted,
    applying: &Applying<'_>,
) -> Result<Outcome, RegistryError> {
    let (plan, outcome) = plan(aws, submitted, applying).await?;
    // Before the tenant has feeds, so that the stream has the change of its first event.
    let checked = submitted.check().map_err(RegistryError::Refused)?;
    streams::switch_on(aws, &checked, &applying.streams).await?;
    match aws.apply(&plan).await? {
        Applied::Whole => Ok(outcome),
        Applied::Overtaken(name) => Err(RegistryError::Overtaken(name)),
    }
}

/// Checks the documents and plans the writes. The outcome is that of applying the plan.
///
/// # Errors
/// [`RegistryError`].
pub(crate) async fn plan(
    aws: &Aws,
    submitted: &Submitted,
    Applying { consent, streams, by }: &Applying<'_>,
) -> Result<(Plan, Outcome), RegistryError> {
    let checked = submitted.check().map_err(RegistryError::Refused)?;
    let mut stored = Stored::new();
    for name in checked.reads() {
        if let Some(document) = aws.document(&name).await? {
            stored.insert(name, document);
        }
    }
    let planned = checked.plan_with(*consent, &stored, (by, aws.now()));
    let plan = planned.map_err(RegistryError::Refused)?;
    if plan.writes.len() > REGISTRY_WRITES {
        return Err(RegistryError::TooMany { writes: plan.writes.len() });
    }
    let (moves, doubtful) = (checked.moves(&stored), placement::doubtful(aws, &checked).await);
    placement::check_targets(&moves, &doubtful).map_err(RegistryError::Refused)?;
    streams::check(aws, &checked, streams).await.map_err(RegistryError::Refused)?;
    let (effects, revision) = (effects(&checked, &plan, &stored), plan.revision);
    let watching = silences::changed(&plan, &stored);
    Ok((plan, Outcome { effects, revision, moves, doubtful, watching }))
}

fn effects(checked: &Checked, plan: &Plan, stored: &Stored) -> Vec<Effect> {
    let kind_of = |name: &DocumentName| {
        let write = plan.writes.iter().find(|write| write.name == *name);
        match write.map(|write| &write.change) {
            None => EffectKind::Unchanged,
            Some(Change::Put { replaces: None, .. }) => EffectKind::Created,
            Some(Change::Put { replaces: Some(_), .. }) => EffectKind::Replaced,
            Some(Change::Delete) => EffectKind::Removed,
        }
    };
    let version_of = |name: &DocumentName| {
        plan.writes.iter().find_map(|write| match (&write.name, name) {
            (DocumentName::ContractVersion(written, number), DocumentName::Contract(name)) => {
                (written == name).then_some(*number)
            }
            (DocumentName::RulesVersion(written, number), DocumentName::Rules(tenant)) => {
                (written == tenant).then_some(*number)
            }
            _ => None,
        })
    };
    let submitted = checked.names().map(|(origin, name)| Effect {
        kind: kind_of(&name),
        version: version_of(&name),
        differences: differences(plan, stored, &name),
        name,
        origin: Some(origin.to_owned()),
    });
    let removed = plan.writes.iter().filter(|write| write.change == Change::Delete);
    let removed = removed.map(|write| Effect {
        kind: EffectKind::Removed,
        version: None,
        differences: Vec::new(),
        name: write.name.clone(),
        origin: None,
    });
    submitted.chain(removed).collect()
}

/// One line for each refusal.
fn listed(refusals: &[Refusal]) -> String {
    let mut text = String::new();
    for refusal in refusals {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n  {refusal}");
    }
    text
}
