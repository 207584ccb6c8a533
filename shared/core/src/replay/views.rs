//! Views before and after a run, for the first few changed subjects.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::run::{Run, ViewDigests};
use crate::base::error::{Reason, Unavailable};
use crate::base::id::SubjectKey;
use crate::base::metrics::Tally;
use crate::dead_letter::letter::Owner;
use crate::event::canonical_json;
use crate::ledger::read::Question;
use crate::ports::{Ports, SubjectLocation};
use crate::registry::Registry;
use crate::subject::reader;
use crate::view::Specs;

/// A view before and after a run. Only the invocation that read it shows it; it is never stored.
#[derive(Clone, Debug, PartialEq)]
pub struct ViewPair {
    /// The subject as `kind/id`; in the operator's runs prefixed with the tenant's name.
    pub subject: String,
    /// The view before the run; null if the subject did not exist.
    pub before: Value,
    /// The view after the run.
    pub after: Value,
}

/// The SHA-256 of a view's canonical JSON (RFC 8785) in hex digits; `None` without a view.
///
/// # Errors
/// The view has no canonical form, which is a bug.
pub fn view_digest(view: &Value) -> Result<Option<String>, Unavailable> {
    if view.is_null() {
        return Ok(None);
    }
    let text = canonical_json(view)
        .map_err(|_| Unavailable::new(Reason::Bug, "a view without a canonical form"))?;
    Ok(Some(Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()))
}

/// Adds the digests of these pairs to a run's record.
pub(super) fn note(run: &mut Run, pairs: &[ViewPair]) -> Result<(), Unavailable> {
    for ViewPair { subject, before, after } in pairs {
        let after = view_digest(after)?;
        // A subject that was read before the run was resumed keeps its first digest.
        match run.views.iter_mut().find(|known| known.subject == *subject) {
            Some(known) => known.after = after,
            None => {
                let (subject, before) = (subject.clone(), view_digest(before)?);
                run.views.push(ViewDigests { subject, before, after });
            }
        }
    }
    Ok(())
}

/// A subject's name in a run's record: `kind/id`, prefixed with the tenant in the operator's runs.
pub(super) fn label(owner: &Owner, key: &SubjectKey) -> String {
    match owner {
        Owner::Tenant(_) => key.subject().to_string(),
        Owner::Operator => format!("{}/{}", key.tenant(), key.subject()),
    }
}

/// Subjects whose views are compared.
#[derive(Default)]
pub(super) struct Watched {
    before: BTreeMap<String, (SubjectLocation, Value)>,
}

impl Watched {
    /// Reads the views of these subjects before they change, while there is room.
    pub(super) async fn before(
        &mut self,
        ports: &impl Ports,
        registry: &Registry,
        tally: &mut Tally,
        locations: Vec<(String, SubjectLocation)>,
        room: usize,
    ) -> Result<(), Unavailable> {
        for (label, location) in locations {
            if self.before.len() < room && !self.before.contains_key(&label) {
                let view = live(ports, registry, tally, &location).await?;
                self.before.insert(label, (location, view));
            }
        }
        Ok(())
    }

    /// Keeps the subjects that the run has changed.
    pub(super) fn keep(&mut self, is_changed: impl Fn(&str) -> bool) {
        self.before.retain(|label, _| is_changed(label));
    }

    /// Reads the views after the run and returns the pairs.
    pub(super) async fn pairs(
        self,
        ports: &impl Ports,
        registry: &Registry,
        tally: &mut Tally,
    ) -> Result<Vec<ViewPair>, Unavailable> {
        let mut pairs = Vec::with_capacity(self.before.len());
        for (subject, (location, before)) in self.before {
            let after = live(ports, registry, tally, &location).await?;
            pairs.push(ViewPair { subject, before, after });
        }
        Ok(pairs)
    }
}

async fn live(
    ports: &impl Ports,
    registry: &Registry,
    tally: &mut Tally,
    location: &SubjectLocation,
) -> Result<Value, Unavailable> {
    let (snapshot, units) = reader::read(ports, location, Question::Live).await?;
    tally.of(Some(location.key.tenant())).add_units(units);
    let Some(snapshot) = snapshot else { return Ok(Value::Null) };
    let versions = Specs::default().missing(snapshot.entries());
    let specs = registry.folded_by(&location.key, &versions, ports.now(), ports).await?;
    Ok(snapshot.live(&specs).to_json())
}
