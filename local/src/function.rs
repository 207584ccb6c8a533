//! The host's functions, by name, and one invocation of one of them.
//!
//! An invocation keeps Lambda's promises: it has a deadline, a panic costs this invocation and
//! nothing else, and the caller's going away does not end it. What Lambda does around that is left
//! out: no environments that freeze and thaw, no concurrency limits.

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

/// The time that a function has unless it says otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// The largest answer: Lambda's own limit, in bytes.
const ANSWER_LIMIT: usize = 6 * 1024 * 1024 + 100;

/// An event in, an answer out; both are JSON.
type Call = dyn Fn(Bytes, InvocationContext) -> BoxFuture<'static, Result<Bytes, FunctionError>>
    + Send
    + Sync;

/// One function of the host.
pub(crate) struct Function {
    timeout: Duration,
    call: Box<Call>,
    /// What it answers on the HTTP port; no routes where it takes other events only.
    routes: Router,
}

/// The functions by name. Clones share them.
#[derive(Clone, Default)]
pub struct Functions(BTreeMap<String, Arc<Function>>);

impl Functions {
    /// These and one more, in place of any of the same name.
    #[must_use]
    pub fn with<F, A>(self, name: &str, timeout: Duration, call: F) -> Self
    where
        F: Fn(Bytes, InvocationContext) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Bytes, FunctionError>> + Send + 'static,
    {
        self.with_routes_and_events(name, timeout, Router::new(), call)
    }

    /// These and one more that answers HTTP requests: on the HTTP port, and by its name where they
    /// come as events of an HTTP API (payload 2.0). The routes of all functions are on one port, so
    /// no two may have the same; what goes around them (404, CORS, correlation ids) is the host's.
    #[must_use]
    pub fn with_routes(self, name: &str, timeout: Duration, routes: Router) -> Self {
        let call: Box<Call> = Box::new(runtime::http_function(routes.clone()));
        self.insert(name, Function { timeout, call, routes })
    }

    /// These and one more that answers HTTP requests on the HTTP port, and by its name takes events
    /// of several sources, those of an HTTP API among them: which one it is, is for the function to
    /// see. For the routes [`Functions::with_routes`] says what holds.
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

    /// These and the others; of two with one name, the other's.
    #[must_use]
    pub(crate) fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The routes of all of them.
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
    /// Runs one invocation to its end. A task of its own, so that a panic stays inside it.
    pub(crate) async fn invoke(
        self: Arc<Self>,
        event: Bytes,
        request_id: String,
    ) -> Result<Bytes, FunctionError> {
        self.invoke_within(event, request_id, Duration::MAX).await
    }

    /// The same for a caller who can wait only so long, however much time the function has.
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

/// The words of Lambda's sandbox.
fn timed_out(request_id: &str, timeout: Duration) -> FunctionError {
    FunctionError {
        error_type: "Sandbox.Timedout".to_owned(),
        error_message: format!(
            "RequestId: {request_id} Error: Task timed out after {:.2} seconds",
            timeout.as_secs_f64()
        ),
    }
}

/// The words of `lambda_runtime`, which catches panics on Lambda.
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
    async fn a_caller_who_cannot_wait_ends_an_invocation_before_its_own_time_is_over() {
        let functions =
            Functions::default().with("hangs", DEFAULT_TIMEOUT, |_, _| std::future::pending());
        let invoke =
            |name, patience| functions.invoke(name, Bytes::new(), "r".to_owned(), patience);
        assert!(invoke("another", Duration::MAX).is_none());
        let answered = invoke("hangs", Duration::from_millis(1)).unwrap().await;
        assert_eq!(answered.unwrap_err().error_type, "Sandbox.Timedout");
    }
}
