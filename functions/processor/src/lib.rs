//! The processor: one of Lambda's Kafka events in, a partial batch response out.
//!
//! It decodes ([`kafka_event`]), calls the pipeline, and encodes. The answer is always a list of failures,
//! an empty one for success: never `null`, which Lambda reads as success whatever happened, and never
//! an identifier that the event did not hold, which Lambda reads as failure of the whole batch. A
//! record that has to come again is named, and so is every later one of its subject; that is right
//! whether the source resumes at the lowest offset or sends again only what is named.

use std::sync::Arc;
use std::time::Duration;

use drover_core::metrics::Meter;
use drover_core::pipeline::ports::World;
use drover_core::pipeline::{BreakerOpen, Disposition, Pipeline, Report};
use drover_core::time::Timestamp;
use lambda_runtime::{Diagnostic, LambdaEvent};
use serde_json::value::RawValue;

pub mod config;

use drover_core::kafka_event::{self, BatchResponse, Decoded, NotAnEvent};

/// The name of this function in metrics.
pub const FUNCTION: &str = "processor";
/// What is left of an invocation's time for the call that runs, dead letters, buffer and answer.
const MARGIN: Duration = Duration::from_secs(5);
/// The time of an invocation that brings no deadline.
const UNKNOWN_SECONDS: i64 = 60;

/// One warm environment.
pub struct Processor<W> {
    world: W,
    pipeline: Pipeline,
    meter: Arc<dyn Meter>,
}

/// Why a whole invocation failed; its source sends everything again.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The event is none of Lambda's Kafka events.
    #[error(transparent)]
    NotAnEvent(#[from] NotAnEvent),
    /// The whole batch looks like a fault of this deployment.
    #[error(transparent)]
    BreakerOpen(#[from] BreakerOpen),
    /// Records that cannot be named in the answer could not be dead-lettered.
    #[error("records without an offset could not be kept: count={0}")]
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

impl<W: World> Processor<W> {
    /// An environment over a world.
    pub fn new(world: W, pipeline: Pipeline, meter: Arc<dyn Meter>) -> Self {
        Self { world, pipeline, meter }
    }

    /// Handles one invocation.
    ///
    /// # Errors
    /// [`Failed`], when nothing was acknowledged and the answer cannot say so record by record.
    pub async fn handle(&self, event: LambdaEvent<Box<RawValue>>) -> Result<BatchResponse, Failed> {
        let now = self.world.now();
        let deadline = stop_at(now, event.context.deadline);
        let decoded = kafka_event::decode(event.payload.get(), now)?;
        drop(event);
        let Decoded { records, places } = decoded;
        let report = self.pipeline.process(&self.world, records, deadline).await?;
        let Report { dispositions, tally } = report;
        self.meter.record(FUNCTION, &tally, self.world.now());
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

/// When to take nothing more in hand: a margin before the invocation's deadline, but never more
/// than a quarter of the time that there is. Lambda invokes nothing whose time is over, so such a
/// deadline is none: `cargo lambda watch` sends a constant in 1970.
fn stop_at(now: Timestamp, deadline_millis: u64) -> Timestamp {
    let deadline = i64::try_from(deadline_millis).ok().and_then(Timestamp::from_millis);
    let deadline = deadline.filter(|deadline| *deadline > now);
    let deadline = deadline.unwrap_or_else(|| now.plus_seconds(UNKNOWN_SECONDS));
    let margin = i64::try_from(MARGIN.as_micros()).unwrap_or(i64::MAX);
    let margin = margin.min((deadline.micros() - now.micros()) / 4);
    Timestamp::from_micros(deadline.micros() - margin).unwrap_or(deadline)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instant(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis).expect("in range")
    }

    #[test]
    fn the_margin_is_five_seconds_or_a_quarter_of_what_is_left() {
        assert_eq!(stop_at(instant(0), 60_000), instant(55_000));
        assert_eq!(stop_at(instant(0), 4_000), instant(3_000));
    }

    #[test]
    fn a_deadline_that_is_over_is_none() {
        for deadline in [0, 4_000, u64::MAX] {
            assert_eq!(stop_at(instant(5_000), deadline), instant(60_000), "{deadline}");
        }
    }
}
