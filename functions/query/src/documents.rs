//! The OpenAPI document, the page that shows it, and `/`.
//!
//! The served document is the repository's `openapi.json`, which covers all functions; a test keeps
//! it equal to the code. The page fetches only that document: its script and style are inline, and
//! its content security policy allows exactly these two by their digests.

use std::sync::LazyLock;

use axum::http::HeaderName;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use base64_simd::STANDARD;
use drover_http::{Fault, ProblemBody};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use utoipa::{OpenApi, ToSchema};

const OPENAPI: &str = include_str!("../../../openapi.json");
const PAGE: &str = include_str!("docs.html");
const HTML: &str = "text/html; charset=utf-8";
const NO_SNIFFING: (HeaderName, &str) =
    (HeaderName::from_static("x-content-type-options"), "nosniff");
/// One minute, because a deployment changes the document.
const SHORTLY: &str = "public, max-age=60";

#[derive(OpenApi)]
#[openapi(
    paths(
        crate::events::events,
        crate::events::get_events,
        crate::subjects::list,
        crate::subjects::one,
        crate::measures::measure,
        crate::check::check,
        crate::contracts::list,
        crate::contracts::current,
        crate::contracts::version,
        crate::alerts::list,
        crate::alerts::one,
        crate::received::list,
        crate::rules::list,
        crate::rules::versions,
        crate::dashboard::overview,
        crate::dashboard::devices,
        crate::dashboard::metrics,
        crate::health::live,
        crate::health::report,
        status,
        document,
        page
    ),
    components(schemas(ProblemBody, Fault))
)]
struct Document;

/// The routes of this function.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// Name and version of the service.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServiceStatus {
    #[schema(example = "ok")]
    status: &'static str,
    #[schema(example = "drover")]
    service: &'static str,
    #[schema(example = "0.1.0")]
    version: &'static str,
}

/// Routes that answer with JSON.
pub(crate) fn json() -> Router {
    Router::new().route("/", get(status)).route("/openapi.json", get(document))
}

/// Routes that answer with HTML.
pub(crate) fn pages() -> Router {
    Router::new().route("/docs", get(page))
}

#[utoipa::path(
    get,
    path = "/",
    operation_id = "get_status",
    tag = "health",
    summary = "Show the name and version of the service",
    responses(
        (status = 200, description = "Name and version", body = ServiceStatus),
        (status = 406, description = "`not_acceptable`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn status() -> Json<ServiceStatus> {
    let version = env!("CARGO_PKG_VERSION");
    Json(ServiceStatus { status: "ok", service: "drover", version })
}

#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "get_openapi",
    tag = "documents",
    summary = "Read this OpenAPI document",
    responses(
        (status = 200, description = "OpenAPI 3.1", body = serde_json::Value),
        (status = 406, description = "`not_acceptable`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn document() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, SHORTLY)], OPENAPI)
}

#[utoipa::path(
    get,
    path = "/docs",
    operation_id = "get_docs",
    tag = "documents",
    summary = "Show this document as a web page",
    responses((status = 200, description = "A page that loads nothing from other hosts", body = String, content_type = "text/html; charset=utf-8"))
)]
pub(crate) async fn page() -> impl IntoResponse {
    static POLICY: LazyLock<String> = LazyLock::new(|| policy(PAGE));
    let headers = [
        (CONTENT_TYPE, HTML),
        (CACHE_CONTROL, SHORTLY),
        (CONTENT_SECURITY_POLICY, POLICY.as_str()),
        NO_SNIFFING,
    ];
    (headers, PAGE)
}

/// The content security policy of a page: it may run its own script, use its own style, and fetch
/// from its own origin.
fn policy(page: &str) -> String {
    let digest = |tag: &str| {
        let text = inside(page, tag).unwrap_or_default();
        STANDARD.encode_to_string(Sha256::digest(text.as_bytes()))
    };
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        digest("script"),
        digest("style")
    )
}

/// The content of an element that occurs once in the page.
fn inside<'a>(page: &'a str, tag: &str) -> Option<&'a str> {
    let (_, rest) = page.split_once(&format!("<{tag}>"))?;
    Some(rest.split_once(&format!("</{tag}>"))?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_self_contained_and_its_policy_allows_nothing_else() {
        for tag in ["script", "style"] {
            assert_eq!(PAGE.matches(&format!("<{tag}")).count(), 1, "one {tag} without attributes");
            assert!(inside(PAGE, tag).is_some_and(|text| !text.trim().is_empty()));
        }
        for elsewhere in ["http:", "https:", "//cdn", "src=", "@import", "style=", "onclick"] {
            assert!(!PAGE.contains(elsewhere), "{elsewhere}");
        }
        let policy = policy(PAGE);
        assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"));
        assert!(!policy.contains("unsafe"));
    }

    #[test]
    fn every_route_documents_its_problems_and_its_security() {
        let document = serde_json::to_value(openapi()).expect("JSON");
        assert_eq!(document["openapi"], "3.1.0");
        let public = ["/", "/docs", "/health", "/health/live", "/openapi.json"];
        for (path, item) in document["paths"].as_object().expect("paths") {
            let operation = if item["get"].is_null() { &item["post"] } else { &item["get"] };
            let is_public = public.contains(&path.as_str());
            assert_eq!(operation["security"].is_null(), is_public, "{path}");
            assert_eq!(operation["responses"]["401"].is_null(), is_public, "{path}");
            assert_eq!(operation["responses"]["406"].is_null(), path == "/docs", "{path}");
            assert!(operation["summary"].is_string(), "{path}");
        }
    }
}
