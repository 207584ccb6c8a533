//! Signs of life of the host's parts, for `/health`.

use drover_core::aws::Aws;
use drover_core::error::Unavailable;
use drover_query::health::Probes;

use crate::mapping::HostStream;

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
