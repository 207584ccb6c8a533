//! The access log: one line per answered request with its route, status, duration and caller. The
//! line never contains a key, query, body or subject id. The correlation id connects it to the
//! request's other lines.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use axum::extract::MatchedPath;
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use drover_core::base::id::TenantId;

/// The caller of a request. It becomes known while the request is handled.
#[derive(Clone, Debug, Default)]
pub(super) struct Noted(Arc<Who>);

#[derive(Debug, Default)]
struct Who {
    tenant: OnceLock<TenantId>,
    by: OnceLock<Arc<str>>,
}

impl Noted {
    /// Records the credentials' name, whether verified or not.
    pub(super) fn by(&self, by: &Arc<str>) {
        // The first value wins.
        let _ = self.0.by.set(Arc::clone(by));
    }

    /// Records the caller's tenant.
    pub(super) fn tenant(&self, tenant: &TenantId) {
        let _ = self.0.tenant.set(tenant.clone());
    }
}

/// A request in progress.
pub(super) struct Begun {
    method: Method,
    route: Option<MatchedPath>,
    noted: Noted,
    at: Instant,
}

impl Begun {
    /// Starts the access log of a request and attaches the cell for its caller.
    pub(super) fn note(request: &mut Request) -> Self {
        let noted = Noted::default();
        request.extensions_mut().insert(noted.clone());
        let route = request.extensions().get::<MatchedPath>().cloned();
        Self { method: request.method().clone(), route, noted, at: Instant::now() }
    }

    /// Writes the log line.
    pub(super) fn answered(self, status: StatusCode) {
        let Who { tenant, by } = &*self.noted.0;
        tracing::info!(
            target: "access",
            method = %self.method,
            route = self.route.as_ref().map_or("none", MatchedPath::as_str),
            status = status.as_u16(),
            milliseconds = u64::try_from(self.at.elapsed().as_millis()).unwrap_or(u64::MAX),
            tenant = tenant.get().map(tracing::field::display),
            by = by.get().map(|by| &**by),
            "answered"
        );
    }
}
