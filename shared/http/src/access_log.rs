//! One line for each request, when it has been answered: what was asked for by its route, how that
//! ended, how long it took, and who asked. Never a key, a query, a body or an id of a subject: for those
//! there is the correlation id, which the request's other lines carry.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use axum::extract::MatchedPath;
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use drover_core::base::id::TenantId;

/// Who sent a request, as far as that becomes known while it is answered.
#[derive(Clone, Debug, Default)]
pub(super) struct Noted(Arc<Who>);

#[derive(Debug, Default)]
struct Who {
    tenant: OnceLock<TenantId>,
    by: OnceLock<Arc<str>>,
}

impl Noted {
    /// Whose credentials came, established or not.
    pub(super) fn by(&self, by: &Arc<str>) {
        // The first word about a request stays.
        let _ = self.0.by.set(Arc::clone(by));
    }

    /// The tenant that they speak for.
    pub(super) fn tenant(&self, tenant: &TenantId) {
        let _ = self.0.tenant.set(tenant.clone());
    }
}

/// A request that is being answered.
pub(super) struct Begun {
    method: Method,
    route: Option<MatchedPath>,
    noted: Noted,
    at: Instant,
}

impl Begun {
    /// Takes note of a request, and gives it the place for who sent it.
    pub(super) fn note(request: &mut Request) -> Self {
        let noted = Noted::default();
        request.extensions_mut().insert(noted.clone());
        let route = request.extensions().get::<MatchedPath>().cloned();
        Self { method: request.method().clone(), route, noted, at: Instant::now() }
    }

    /// Writes the line.
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
