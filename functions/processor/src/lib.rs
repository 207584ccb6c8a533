//! The processor: turns a Kafka event from Lambda into a partial batch response.
//!
//! It decodes the event ([`kafka_event`]), calls the pipeline, and encodes the response. The
//! response is always a list of failures, empty on success. It is never `null`, which Lambda reads
//! as success, and never contains an identifier that the event did not hold, which Lambda reads as
//! failure of the whole batch. The list names each record that must be delivered again and every
//! later record of its subject. That is correct whether the source resumes at the lowest offset or
//! redelivers only the named records.

use std::sync::Arc;

use drover_aws::Aws;
use drover_core::base::deadline::stop_at;
use drover_core::base::metrics::Meter;
use drover_core::intake::kafka_event::{self, BatchResponse, Decoded, NotAnEvent};
use drover_core::intake::record::{Receipt, TopicRetention};
use drover_core::pipeline::{BreakerOpen, Disposition, Pipeline, Report};
use drover_core::ports::Ports;
use lambda_runtime::{Diagnostic, LambdaEvent};
use serde_json::value::RawValue;

use crate::config::Config;

pub mod config;

/// The name of this function in metrics.
pub const FUNCTION: &str = "processor";

/// The state of one execution environment.
pub struct Processor<W> {
    ports: W,
    pipeline: Pipeline,
    retention: TopicRetention,
    meter: Arc<dyn Meter>,
}

/// Why a whole invocation failed. The source delivers the whole batch again.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The payload is not a Kafka event from Lambda.
    #[error(transparent)]
    NotAnEvent(#[from] NotAnEvent),
    /// The circuit breaker is open: the whole batch fails in a way that points to this deployment.
    #[error(transparent)]
    BreakerOpen(#[from] BreakerOpen),
    /// Records without an offset, which the response cannot name, could not be sent to dead
    /// letters.
    #[error("records without an offset could not be sent to dead letters: count=`{0}`")]
    Unnamed(usize),
}

impl From<Failed> for Diagnostic {
    fn from(failed: Failed) -> Self {
        let error_type = match failed {
            Failed::NotAnEvent(_) => "NotAnEvent",
            Failed::BreakerOpen(_) => "BreakerOpen",
            Failed::Unnamed(_) => "Unnamed",
        };
        Self { error_type: error_type.to_owned(), error_message: failed.to_string() }
    }
}

impl Processor<Aws> {
    /// Creates the processor with the ambient region and credentials.
    pub async fn load(config: Config, meter: Arc<dyn Meter>) -> Self {
        let ports = Aws::load(config.aws).await;
        Self::new(ports, config.pipeline.pipeline(), config.retention, meter)
    }
}

impl<W: Ports> Processor<W> {
    /// Creates the processor over these ports, for topics with this retention.
    pub fn new(
        ports: W,
        pipeline: Pipeline,
        retention: TopicRetention,
        meter: Arc<dyn Meter>,
    ) -> Self {
        Self { ports, pipeline, retention, meter }
    }

    /// Handles one invocation.
    ///
    /// # Errors
    /// [`Failed`] if the failures cannot be listed record by record. No record is acknowledged
    /// then.
    pub async fn handle(&self, event: LambdaEvent<Box<RawValue>>) -> Result<BatchResponse, Failed> {
        let now = self.ports.now();
        let deadline = stop_at(now, event.context.deadline);
        let receipt = Receipt { now, retention: self.retention };
        let decoded = kafka_event::decode(event.payload.get(), receipt)?;
        drop(event);
        let Decoded { records, places } = decoded;
        let report = self.pipeline.process(&self.ports, records, deadline).await?;
        let Report { dispositions, tally } = report;
        self.meter.record(FUNCTION, &tally, self.ports.now());
        let returned = dispositions.iter().zip(places);
        let returned: Vec<_> = returned
            .filter(|(disposition, _)| **disposition == Disposition::Returned)
            .map(|(_, place)| place)
            .collect();
        let unnamed = returned.iter().filter(|place| place.is_none()).count();
        if unnamed > 0 {
            return Err(Failed::Unnamed(unnamed));
        }
        Ok(BatchResponse::of(returned.into_iter().flatten()))
    }
}
