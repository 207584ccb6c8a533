//! Views before and after a run, of the first few subjects that it changes.

use std::collections::BTreeMap;

use serde_json::Value;

use super::run::ViewPair;
use crate::error::Unavailable;
use crate::id::SubjectKey;
use crate::ledger::read::Question;
use crate::letter::Owner;
use crate::metrics::Tally;
use crate::pipeline::ports::{Home, World};
use crate::reader;
use crate::registry::Registry;
use crate::view::Specs;

/// What a subject is called in a run's record: `kind/id`, in the operator's behind its tenant.
pub(super) fn label(owner: &Owner, key: &SubjectKey) -> String {
    match owner {
        Owner::Tenant(_) => key.subject().to_string(),
        Owner::Operator => format!("{}/{}", key.tenant(), key.subject()),
    }
}

/// Subjects whose views are compared.
#[derive(Default)]
pub(super) struct Watched {
    before: BTreeMap<String, (Home, Value)>,
}

impl Watched {
    /// Looks at the views of these subjects before they change, as long as there is room.
    pub(super) async fn before(
        &mut self,
        world: &impl World,
        registry: &Registry,
        tally: &mut Tally,
        homes: Vec<(String, Home)>,
        room: usize,
    ) -> Result<(), Unavailable> {
        for (label, home) in homes {
            if self.before.len() < room && !self.before.contains_key(&label) {
                let view = live(world, registry, tally, &home).await?;
                self.before.insert(label, (home, view));
            }
        }
        Ok(())
    }

    /// Keeps those that a run has changed.
    pub(super) fn keep(&mut self, is_changed: impl Fn(&str) -> bool) {
        self.before.retain(|label, _| is_changed(label));
    }

    /// The pairs, now that the run has done what it could.
    pub(super) async fn pairs(
        self,
        world: &impl World,
        registry: &Registry,
        tally: &mut Tally,
    ) -> Result<Vec<ViewPair>, Unavailable> {
        let mut pairs = Vec::with_capacity(self.before.len());
        for (subject, (home, before)) in self.before {
            let after = live(world, registry, tally, &home).await?;
            pairs.push(ViewPair { subject, before, after });
        }
        Ok(pairs)
    }
}

async fn live(
    world: &impl World,
    registry: &Registry,
    tally: &mut Tally,
    home: &Home,
) -> Result<Value, Unavailable> {
    let (cut, units) = reader::read(world, home, Question::Live).await?;
    tally.of(Some(home.key.tenant())).add_units(units);
    let Some(cut) = cut else { return Ok(Value::Null) };
    let contracts = Specs::default().missing(cut.entries());
    let specs = registry.specs(&contracts, cut.head.revision, world.now(), world).await?;
    Ok(cut.live(&specs).to_json())
}
