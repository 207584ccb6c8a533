//! The functions over the host's own services, each one warm environment that lives as long as the
//! host does. Lambda would start more of them under load; here one takes every invocation, and they
//! run beside each other in it.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use axum::body::Bytes;
use drover_core::aws::Aws;
use drover_core::limits::Shape;
use drover_core::metrics::emf::Lines;
use drover_core::pipeline::Pipeline;
use drover_core::pipeline::cache::HeadCache;
use drover_core::registry::Registry;
use drover_processor::Processor;
use lambda_runtime::{Context, Diagnostic, LambdaEvent};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::function::{DEFAULT_TIMEOUT, FunctionError, Functions, InvocationContext};

/// What the processor has on Lambda unless its environment says otherwise.
const CACHE_BYTES: usize = 8 << 20;
const CONCURRENCY: usize = 32;

/// Every function of this version.
pub(crate) fn functions(world: Aws) -> Functions {
    let processor = Arc::new(processor(world));
    let process = move |event: Bytes, context: InvocationContext| {
        let processor = Arc::clone(&processor);
        async move { answer(processor.handle(lambda_event(&event, context)?).await) }
    };
    Functions::default().with(drover_processor::FUNCTION, DEFAULT_TIMEOUT, process)
}

fn processor(world: Aws) -> Processor<Aws> {
    let pipeline = Pipeline {
        registry: Registry::new(),
        heads: HeadCache::new(CACHE_BYTES),
        shape: Shape::STANDARD,
        concurrency: CONCURRENCY,
    };
    Processor::new(world, pipeline, Arc::new(Lines(metrics)))
}

/// A line for each invocation would bury everything else on a console: `--log metrics=debug` shows
/// them.
fn metrics(line: &str) {
    tracing::debug!(target: "metrics", "{line}");
}

fn lambda_event(
    event: &[u8],
    context: InvocationContext,
) -> Result<LambdaEvent<Box<RawValue>>, FunctionError> {
    let event = serde_json::from_slice(event).map_err(|error| FunctionError {
        error_type: "NotJson".to_owned(),
        error_message: error.to_string(),
    })?;
    let mut lambda = Context::default();
    lambda.request_id = context.request_id;
    let deadline = context.deadline.duration_since(UNIX_EPOCH).unwrap_or_default();
    lambda.deadline = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
    Ok(LambdaEvent::new(event, lambda))
}

/// Answers and errors as Lambda's runtime writes them.
fn answer<A, E>(answer: Result<A, E>) -> Result<Bytes, FunctionError>
where
    A: Serialize,
    E: Into<Diagnostic>,
{
    let error = |diagnostic: Diagnostic| FunctionError {
        error_type: diagnostic.error_type,
        error_message: diagnostic.error_message,
    };
    let answer = answer.map_err(|failed| error(failed.into()))?;
    let json = serde_json::to_vec(&answer).map_err(|fault| FunctionError {
        error_type: "NoAnswer".to_owned(),
        error_message: fault.to_string(),
    })?;
    Ok(json.into())
}
