//! Signs of life of the host's parts, for `/health`, and how full the buffer is, for `/buffer/stats`.

use drover_core::aws::Aws;
use drover_core::error::{Reason, Unavailable};
use drover_query::health::Probes;
use drover_replay::levels::{BufferLevels, Levels};

use crate::mapping::HostStream;
use crate::sqs::Sqs;
use crate::world::BUFFER;

/// The queues through their clients, the stream itself.
pub(crate) struct HostProbes {
    pub(crate) world: Aws,
    pub(crate) stream: HostStream,
}

impl Probes for HostProbes {
    async fn dead_letters(&self) -> Result<(), Unavailable> {
        self.world.dead_letters().await
    }

    async fn buffer(&self) -> Result<(), Unavailable> {
        self.world.buffer().await
    }

    async fn stream(&self) -> Option<Result<(), Unavailable>> {
        self.stream.probe().await
    }
}

/// The queues themselves: unlike SQS they know how old their oldest message is.
pub(crate) struct HostLevels(pub(crate) Sqs);

impl BufferLevels for HostLevels {
    async fn buffer_levels(&self) -> Result<Levels, Unavailable> {
        let levels = self.0.levels(BUFFER).await;
        let levels = levels.map_err(|error| Unavailable::new(Reason::Broken, error.to_string()))?;
        Ok(Levels {
            waiting: levels.waiting,
            in_flight: levels.in_hand,
            oldest_age_seconds: levels.oldest_age.map(|age| age.as_secs()),
        })
    }
}
