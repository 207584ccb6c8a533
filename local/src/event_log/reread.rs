//! Reads records of the host's event log again, by offsets.

use drover_aws::kafka::KafkaReread;
use drover_core::base::error::Unavailable;
use drover_core::dead_letter::origin::Offsets;
use drover_core::dead_letter::reread::Again;
use drover_core::intake::record::Receipt;
use drover_core::ports::Reread;

use super::LogReread;

/// The event log that a host reads again.
#[derive(Clone, Debug)]
pub enum HostReread {
    /// The host's own log.
    Embedded(LogReread),
    /// A real Kafka cluster.
    Kafka(KafkaReread),
    /// There is no event log.
    Direct,
}

impl Reread for HostReread {
    async fn reread(
        &self,
        offsets: &Offsets,
        given_up: Receipt,
    ) -> Result<Option<Again>, Unavailable> {
        match self {
            Self::Embedded(log) => log.reread(offsets, given_up).await,
            Self::Kafka(cluster) => cluster.reread(offsets, given_up).await,
            Self::Direct => Ok(None),
        }
    }
}
