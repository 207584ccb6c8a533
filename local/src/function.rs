//! The host's functions, by name, and one invocation of a function.
//!
//! An invocation behaves as on Lambda: it has a deadline, a panic fails only this invocation, and a
//! caller that disconnects does not end it. Not implemented: environments that freeze and thaw, and
//! concurrency limits.

mod context;
mod runtime;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Bytes;
use futures_util::future::BoxFuture;
use tokio::task::JoinError;
use tracing::Instrument as _;

pub use context::InvocationContext;
pub use drover_event_source::invoke::FunctionError;
use drover_event_source::invoke::{Answered, Invoke};
pub(crate) use runtime::{answer, lambda_event};

/// The default timeout of a function.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// The maximum size of a response: Lambda's limit, in bytes.
const ANSWER_LIMIT: usize = 6 * 1024 * 1024 + 100;

/// An event in, a response out; both are JSON.
type Call = dyn Fn(Bytes, InvocationContext) -> BoxFuture<'static, Result<Bytes, FunctionError>>
    + Send
    + Sync;

/// One function of the host.
pub(crate) struct Function {
    timeout: Duration,
    call: Box<Call>,
    /// Its routes on the HTTP port; empty for a function without HTTP.
    routes: Router,
}

/// The functions by name. Clones share them.
#[derive(Clone, Default)]
pub struct Functions(BTreeMap<String, Arc<Function>>);

impl Functions {
    /// Adds a function, replacing a function with the same name.
    #[must_use]
    pub fn with<F, A>(self, name: &str, timeout: Duration, call: F) -> Self
    where
        F: Fn(Bytes, InvocationContext) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Bytes, FunctionError>> + Send + 'static,
    {
        self.with_routes_and_events(name, timeout, Router::new(), call)
    }

    /// Adds a function that handles HTTP requests: on the HTTP port, and by its name as events of
    /// an HTTP API (payload 2.0). The routes of all functions share one port, so no two may be the
    /// same. The host adds the layers around them (404, CORS, correlation ids).
    #[must_use]
    pub fn with_routes(self, name: &str, timeout: Duration, routes: Router) -> Self {
        let call: Box<Call> = Box::new(runtime::http_function(routes.clone()));
        self.insert(name, Function { timeout, call, routes })
    }

    /// Adds a function that handles HTTP requests on the HTTP port, and by its name receives events
    /// of several sources, including an HTTP API. The function itself distinguishes them.
    /// [`Functions::with_routes`] describes the routes.
    #[must_use]
    pub fn with_routes_and_events<F, A>(
        self,
        name: &str,
        timeout: Duration,
        routes: Router,
        call: F,
    ) -> Self
    where
        F: Fn(Bytes, InvocationContext) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Bytes, FunctionError>> + Send + 'static,
    {
        let call: Box<Call> = Box::new(move |event, context| Box::pin(call(event, context)));
        self.insert(name, Function { timeout, call, routes })
    }

    fn insert(mut self, name: &str, function: Function) -> Self {
        self.0.insert(name.to_owned(), Arc::new(function));
        self
    }

    /// Adds the other functions, replacing functions with the same name.
    #[must_use]
    pub(crate) fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The routes of all functions.
    pub(crate) fn routes(&self) -> Router {
        self.0
            .values()
            .fold(Router::new(), |routes, function| routes.merge(function.routes.clone()))
    }

    pub(crate) fn find(&self, name: &str) -> Option<Arc<Function>> {
        self.0.get(name).map(Arc::clone)
    }
}

impl Invoke for Functions {
    fn invoke(
        &self,
        name: &str,
        event: Bytes,
        request_id: String,
        patience: Duration,
    ) -> Option<Answered> {
        let function = self.find(name)?;
        Some(Box::pin(function.invoke_within(event, request_id, patience)))
    }
}

impl Function {
    /// Runs one invocation to its end, in its own task, so that a panic stays inside it.
    pub(crate) async fn invoke(
        self: Arc<Self>,
        event: Bytes,
        request_id: String,
    ) -> Result<Bytes, FunctionError> {
        self.invoke_within(event, request_id, Duration::MAX).await
    }

    /// Like [`Self::invoke`], for a caller that waits only for `patience`, whatever the function's
    /// timeout.
    pub(crate) async fn invoke_within(
        self: Arc<Self>,
        event: Bytes,
        request_id: String,
        patience: Duration,
    ) -> Result<Bytes, FunctionError> {
        let timeout = self.timeout.min(patience);
        let context =
            InvocationContext { request_id: request_id.clone(), deadline: now() + timeout };
        let call = async move { (self.call)(event, context).await };
        let mut running = tokio::spawn(call.in_current_span());
        match tokio::time::timeout(timeout, &mut running).await {
            Ok(Ok(answer)) => answer.and_then(within_limit),
            Ok(Err(error)) => Err(panicked(error)),
            Err(_) => {
                running.abort();
                Err(timed_out(&request_id, timeout))
            }
        }
    }
}

fn within_limit(answer: Bytes) -> Result<Bytes, FunctionError> {
    if answer.len() <= ANSWER_LIMIT {
        return Ok(answer);
    }
    Err(FunctionError {
        error_type: "Function.ResponseSizeTooLarge".to_owned(),
        error_message: format!(
            "Response payload size exceeded maximum allowed payload size ({ANSWER_LIMIT} bytes)."
        ),
    })
}

/// The text of Lambda's sandbox.
fn timed_out(request_id: &str, timeout: Duration) -> FunctionError {
    FunctionError {
        error_type: "Sandbox.Timedout".to_owned(),
        error_message: format!(
            "RequestId: {request_id} Error: Task timed out after {:.2} seconds",
            timeout.as_secs_f64()
        ),
    }
}

/// The text of `lambda_runtime`, which catches panics on Lambda.
fn panicked(error: JoinError) -> FunctionError {
    const TYPE: &str = "alloc::boxed::Box<dyn core::any::Any + core::marker::Send>";
    let payload = error.try_into_panic().ok();
    let text = payload.as_ref().and_then(|payload| {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        text.or_else(|| payload.downcast_ref::<String>().cloned())
    });
    FunctionError {
        error_type: TYPE.to_owned(),
        error_message: match text {
            Some(text) => format!("Lambda panicked: {text}"),
            None => "Lambda panicked".to_owned(),
        },
    }
}

#[expect(clippy::disallowed_methods, reason = "a deadline on Lambda is a time of day")]
fn now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_patience_of_a_caller_ends_an_invocation_before_its_timeout() {
        let functions =
            Functions::default().with("hangs", DEFAULT_TIMEOUT, |_, _| std::future::pending());
        let invoke =
            |name, patience| functions.invoke(name, Bytes::new(), "r".to_owned(), patience);
        assert!(invoke("another", Duration::MAX).is_none());
        let answered = invoke("hangs", Duration::from_millis(1)).unwrap().await;
        assert_eq!(answered.unwrap_err().error_type, "Sandbox.Timedout");
    }
}
