//! What operators and sweeps do with a subject.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::base::error::Unavailable;
use crate::base::id::SubjectKey;
use crate::ledger::Policy;
use crate::ledger::dialogue::CommitParams;
use crate::ledger::touch::Touch;
use crate::memory::model_test::script::{SMALL, location};
use crate::memory::{Faulty, Memory};
use crate::pipeline::subject::{carry, touch};
use crate::registry::Registry;
use crate::subject::forget;

type Running<T> = Pin<Box<dyn Future<Output = T>>>;

pub(super) fn carried(
    memory: &Arc<Faulty<Memory>>,
    key: &SubjectKey,
    policy: Policy,
) -> Running<Result<(), Unavailable>> {
    let (memory, location) = (Arc::clone(memory), location(key));
    let (params, registry) = (CommitParams::new(key.clone(), policy, SMALL), Registry::new());
    Box::pin(async move { carry(&*memory, &registry, location, params).await.map(drop) })
}

pub(super) fn touched(
    memory: &Arc<Faulty<Memory>>,
    key: &SubjectKey,
    policy: Policy,
    reason: Touch,
) -> Running<Result<(), Unavailable>> {
    let (memory, location) = (Arc::clone(memory), location(key));
    let (params, registry) = (CommitParams::new(key.clone(), policy, SMALL), Registry::new());
    Box::pin(async move { touch(&*memory, &registry, location, params, reason).await.map(drop) })
}

pub(super) fn forgotten(
    memory: &Arc<Faulty<Memory>>,
    key: &SubjectKey,
) -> Running<Result<(), Unavailable>> {
    let (memory, location) = (Arc::clone(memory), location(key));
    Box::pin(async move { forget::forget(&*memory, &location).await.map(drop) })
}
