//! Health checks of the host's parts for `/health`, and the level of the buffer for
//! `/buffer/stats`.

use drover_aws::Aws;
use drover_core::base::error::{Reason, Unavailable};
use drover_core::dead_letter::object::Object;
use drover_core::dead_letter::origin::Offsets;
use drover_core::dead_letter::reread::Again;
use drover_core::intake::record::Receipt;
use drover_core::ports::Objects;
use drover_core::ports::Reread;
use drover_local_sqs::Sqs;
use drover_query::health::Probes;
use drover_replay::levels::{BufferLevels, Levels};

use crate::event_log::HostReread;
use crate::mapping::HostEventLog;
use crate::ports::BUFFER;

/// Checks the queues through their clients, and the event log directly.
pub(crate) struct HostProbes {
    pub(crate) ports: Aws,
    pub(crate) event_log: HostEventLog,
}

impl Probes for HostProbes {
    async fn dead_letters(&self) -> Result<(), Unavailable> {
        self.ports.dead_letters().await
    }

    async fn buffer(&self) -> Result<(), Unavailable> {
        self.ports.buffer().await
    }

    async fn event_log(&self) -> Option<Result<(), Unavailable>> {
        self.event_log.probe().await
    }
}

/// The sources of a replay besides tables and queues: the event log, no objects, and the queues
/// themselves, which unlike SQS know the age of their oldest message.
pub(crate) struct HostSources {
    pub(crate) event_log: HostReread,
    pub(crate) queues: Sqs,
}

impl Reread for HostSources {
    async fn reread(
        &self,
        offsets: &Offsets,
        given_up: Receipt,
    ) -> Result<Option<Again>, Unavailable> {
        self.event_log.reread(offsets, given_up).await
    }
}

impl Objects for HostSources {
    async fn object(&self, _bucket: &str, _key: &str) -> Result<Object, Unavailable> {
        Ok(Object::NotRead)
    }
}

impl BufferLevels for HostSources {
    async fn buffer_levels(&self) -> Result<Levels, Unavailable> {
        let levels = self.queues.levels(BUFFER).await;
        let levels = levels.map_err(|error| Unavailable::new(Reason::Bug, error.to_string()))?;
        Ok(Levels {
            waiting: levels.waiting,
            in_flight: levels.in_hand,
            oldest_age_seconds: levels.oldest_age.map(|age| age.as_secs()),
        })
    }
}
