//! `drover apply DIR`: writes the documents of a folder into the registry: `tenants/*.json`,
//! `contracts/*.json`, `topics.json` and `rules/*.json`. It validates all documents before it writes any.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::{Args as ClapArgs, ValueEnum};
use drover_core::base::id::TenantId;
use drover_core::base::limits::RULES_START_SECONDS;
use drover_core::intake::document::DocumentName;
use drover_core::registry::{
    Consent, Identities, Incompatibilities, LIFETIME_SECONDS, Moves, Submitted, Text,
};

use super::relay;
use super::target::{DatabaseArgs, NoTarget};
use crate::registry::{self, Applying, Effect, EffectKind, Outcome, RegistryError};

mod dry_run;
mod placement;

/// Check and apply the tenants, contracts, topic routes and alert rules of a folder
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    /// A folder with tenants/*.json, contracts/*.json, topics.json and rules/*.json; each of them is
    /// optional
    folder: PathBuf,
    /// Allow tenants to be moved: a changed placement of a suspended tenant
    ///
    /// The history is not copied, and readers see only the new ledger. Suspend the tenant first.
    /// Wait a minute plus the longest duration of an invocation (15 minutes on AWS), then move the
    /// tenant. Activate it a minute later.
    #[arg(long = "move")]
    moves: bool,
    /// Allow a change that is rejected by default; may be repeated
    #[arg(long, value_name = "CHANGE", value_enum)]
    allow: Vec<Allow>,
    /// Show what would change, and write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// A change that is rejected unless it is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Allow {
    /// A contract with the same name and another subject, tenant, time, event id or identity:
    /// events that were applied before count twice if they are delivered again
    IdentityChange,
    /// A version of a contract that rejects records which compatibility requires it to accept
    Incompatible,
    /// A version of a contract of which it cannot be decided whether it is compatible
    Undecided,
    /// Another unit of a measure: the statistics of views mix both units
    UnitChange,
}

impl Args {
    fn consent(&self) -> Consent {
        let allowed = |change| self.allow.contains(&change);
        let identities =
            if allowed(Allow::IdentityChange) { Identities::MayChange } else { Identities::Kept };
        let moves = if self.moves { Moves::Allowed } else { Moves::Refused };
        let incompatibilities = Incompatibilities {
            rejecting: allowed(Allow::Incompatible),
            undecided: allowed(Allow::Undecided),
        };
        let unit_changes = allowed(Allow::UnitChange);
        Consent { moves, identities, incompatibilities, unit_changes }
    }
}

/// Why the documents were not applied, or only some of them.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// A file cannot be read.
    #[error("cannot read the file or folder: path=`{path}`")]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// The folder contains no document.
    #[error(
        "nothing to apply, expected a folder with tenants/*.json, contracts/*.json, topics.json \
         or rules/*.json: folder=`{folder}`"
    )]
    Nothing {
        /// The folder.
        folder: PathBuf,
    },
    /// The tables were not found.
    #[error(transparent)]
    NoTarget(#[from] NoTarget),
    /// The registry rejected the documents or failed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// Applies the folder's documents for a person and reports the effect of each.
///
/// # Errors
/// [`ApplyError`].
pub async fn run(args: &Args, by: &str) -> Result<String, ApplyError> {
    let submitted = read(&args.folder)?;
    let (tables, streams) = args.database.tables_and_streams().await?;
    let applying = Applying { consent: args.consent(), streams, by };
    if args.dry_run {
        let (_, outcome) = registry::plan(&tables, &submitted, &applying).await?;
        return Ok(dry_run::report(&outcome));
    }
    let outcome = registry::apply(&tables, &submitted, &applying).await?;
    let mut text = report(&outcome);
    for tenant in &outcome.watching {
        // A new tenant has no subjects yet.
        if !is_new(&outcome.effects, tenant) {
            text.push_str(&watched(&args.database, tenant).await);
        }
    }
    Ok(text)
}

/// Has the relay watch subjects that are silent already. The documents are applied, whatever comes of it.
async fn watched(database: &DatabaseArgs, tenant: &TenantId) -> String {
    let watched = match database.caller().await {
        Ok(caller) => relay::watch(&caller, tenant.as_str()).await,
        Err(no_target) => Err(no_target.into()),
    };
    watched.unwrap_or_else(|fault| {
        format!(
            "subjects of {tenant} that are silent already are not watched by the new rules ({fault}); \
             run: drover relay watch --tenant {tenant}\n"
        )
    })
}

/// One line for each document, and the revision.
fn report(outcome: &Outcome) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    for effect in &outcome.effects {
        let _ = writeln!(text, "{:<10} {}", done(effect.kind), effect.document());
    }
    let revision = outcome.revision;
    let _ = if outcome.effects.iter().all(|effect| effect.kind == EffectKind::Unchanged) {
        writeln!(text, "revision {revision}")
    } else {
        writeln!(text, "revision {revision}, known to every function within {LIFETIME_SECONDS} s")
    };
    text.push_str(&rules_in_force(&outcome.effects));
    outcome.moves.iter().for_each(|moved| text.push_str(&placement::meaning(moved)));
    outcome.doubtful.iter().for_each(|doubtful| text.push_str(&placement::warning(doubtful)));
    text
}

/// One line for each tenant with changed rules. Those of a tenant that is new, too, are in force at once.
fn rules_in_force(effects: &[Effect]) -> String {
    let changed = effects.iter().filter(|effect| effect.kind != EffectKind::Unchanged);
    let lines = changed.filter_map(|effect| match &effect.name {
        DocumentName::Rules(tenant) if is_new(effects, tenant) => {
            Some(format!("the rules of {tenant} are in force now\n"))
        }
        DocumentName::Rules(tenant) => {
            Some(format!("the rules of {tenant} are in force {RULES_START_SECONDS} s from now\n"))
        }
        _ => None,
    });
    lines.collect()
}

fn is_new(effects: &[Effect], tenant: &TenantId) -> bool {
    let name = DocumentName::Tenant(tenant.clone());
    effects.iter().any(|effect| effect.kind == EffectKind::Created && effect.name == name)
}

fn done(kind: EffectKind) -> &'static str {
    match kind {
        EffectKind::Created => "created",
        EffectKind::Replaced => "replaced",
        EffectKind::Unchanged => "unchanged",
        EffectKind::Removed => "removed",
    }
}

/// Reads the documents of a folder.
fn read(folder: &Path) -> Result<Submitted, ApplyError> {
    // Read first, to distinguish a missing folder from a folder without documents.
    std::fs::read_dir(folder).map_err(unreadable(folder))?;
    let topics = folder.join("topics.json");
    let submitted = Submitted {
        tenants: read_all(&folder.join("tenants"))?,
        contracts: read_all(&folder.join("contracts"))?,
        topics: if topics.exists() { Some(read_one(topics)?) } else { None },
        rules: read_all(&folder.join("rules"))?,
    };
    if submitted == Submitted::default() {
        return Err(ApplyError::Nothing { folder: folder.to_owned() });
    }
    Ok(submitted)
}

fn read_all(folder: &Path) -> Result<Vec<Text>, ApplyError> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(unreadable(folder))?,
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths: Vec<PathBuf> = paths.collect::<Result<_, _>>().map_err(unreadable(folder))?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort_unstable();
    paths.into_iter().map(read_one).collect()
}

fn read_one(path: PathBuf) -> Result<Text, ApplyError> {
    let json = std::fs::read_to_string(&path).map_err(unreadable(&path))?;
    Ok(Text { origin: path.display().to_string(), json })
}

fn unreadable(path: &Path) -> impl Fn(std::io::Error) -> ApplyError + '_ {
    move |source| ApplyError::Unreadable { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_documents_of_a_folder_are_read_and_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let tenants = folder.path().join("tenants");
        std::fs::create_dir(&tenants).unwrap();
        for name in ["b.json", "a.json", "notes.txt"] {
            std::fs::write(tenants.join(name), name).unwrap();
        }
        std::fs::write(folder.path().join("topics.json"), "{}").unwrap();

        let documents = read(folder.path()).unwrap();
        let document = |name: &str| Text {
            origin: tenants.join(name).display().to_string(),
            json: name.to_owned(),
        };
        assert_eq!(documents.tenants, [document("a.json"), document("b.json")]);
        assert_eq!(documents.contracts, []);
        assert_eq!(documents.topics.unwrap().json, "{}");
    }

    #[test]
    fn a_folder_without_documents_and_a_missing_folder_are_different_errors() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(read(folder.path()), Err(ApplyError::Nothing { .. })));
        let missing = folder.path().join("missing");
        assert!(matches!(read(&missing), Err(ApplyError::Unreadable { .. })));
    }

    #[test]
    fn every_document_is_a_line_of_the_report() {
        let topic = |kind, name: &str| Effect {
            kind,
            name: DocumentName::Topic(name.to_owned()),
            version: None,
            differences: Vec::new(),
            origin: Some("topics.json".to_owned()),
        };
        let removed = Effect {
            kind: EffectKind::Removed,
            name: DocumentName::Key("ab".to_owned()),
            version: None,
            differences: Vec::new(),
            origin: None,
        };
        let contract = Effect {
            kind: EffectKind::Replaced,
            name: DocumentName::Contract("mine".to_owned()),
            version: Some(3),
            differences: Vec::new(),
            origin: Some("contracts/mine.json".to_owned()),
        };
        let effects = vec![
            contract,
            topic(EffectKind::Created, "a"),
            topic(EffectKind::Unchanged, "b"),
            removed,
        ];
        let expected = "replaced   contract mine@3  contracts/mine.json\n\
                        created    topic a  topics.json\n\
                        unchanged  topic b  topics.json\n\
                        removed    key with sha256 ab\n\
                        revision 2, known to every function within 60 s\n";
        let (moves, doubtful) = (Vec::new(), Vec::new());
        assert_eq!(
            report(&Outcome { effects, revision: 2, moves, doubtful, watching: Vec::new() }),
            expected
        );
    }

    #[test]
    fn without_changes_the_report_has_no_delay() {
        let (moves, doubtful) = (Vec::new(), Vec::new());
        let outcome =
            Outcome { effects: Vec::new(), revision: 7, moves, doubtful, watching: Vec::new() };
        assert_eq!(report(&outcome), "revision 7\n");
    }
}
