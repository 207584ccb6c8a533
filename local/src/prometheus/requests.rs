//! HTTP requests by route and status, and how long each route took to answer.
//!
//! A label has a bounded number of values, whatever clients send: a route is the template that the
//! router matched, all requests without a route are [`NO_ROUTE`], and all methods that HTTP does not
//! define are [`OTHER_METHOD`].
//!
//! Not counted: requests whose client closed the connection before the answer, because they have no
//! status, and invalid HTTP requests, which the server answers before it matches a route.

use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::middleware::{Next, from_fn};
use prometheus::{Error, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};

/// The route of requests that no route matches, as the access log calls it.
const NO_ROUTE: &str = "none";
/// The method of requests whose method HTTP does not define.
const OTHER_METHOD: &str = "other";

/// From an answer out of memory to the limit of a request, in seconds.
const DURATION_BUCKETS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The requests of one HTTP port. Clones share the counts.
#[derive(Clone)]
pub(crate) struct Requests {
    total: IntCounterVec,
    duration: HistogramVec,
}

impl Requests {
    /// Registers both metrics, at zero.
    pub(super) fn register(registry: &Registry) -> Result<Self, Error> {
        let total = Opts::new("http_requests_total", "HTTP requests answered");
        let total = IntCounterVec::new(total, &["method", "route", "status"])?;
        let help = "Seconds from the header of an HTTP request to the header of its answer";
        let duration = HistogramOpts::new("http_request_duration_seconds", help);
        let duration = duration.buckets(DURATION_BUCKETS.into());
        let duration = HistogramVec::new(duration, &["route"])?;
        registry.register(Box::new(total.clone()))?;
        registry.register(Box::new(duration.clone()))?;
        Ok(Self { total, duration })
    }

    /// Adds a layer that counts all requests to these routes, including requests without a matching route.
    pub(crate) fn counted(&self, routes: Router) -> Router {
        let requests = self.clone();
        routes.layer(from_fn(move |request: Request, next: Next| {
            let requests = requests.clone();
            async move {
                let begun = Instant::now();
                let method = method_label(request.method());
                let route = request.extensions().get::<MatchedPath>().cloned();
                let response = next.run(request).await;
                let route = route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
                requests.add(method, route, response.status().as_str(), begun);
                response
            }
        }))
    }

    fn add(&self, method: &str, route: &str, status: &str, begun: Instant) {
        if let Ok(total) = self.total.get_metric_with_label_values(&[method, route, status]) {
            total.inc();
        }
        if let Ok(duration) = self.duration.get_metric_with_label_values(&[route]) {
            duration.observe(begun.elapsed().as_secs_f64());
        }
    }
}

/// A client may send any token as a method.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::CONNECT => "CONNECT",
        Method::TRACE => "TRACE",
        _ => OTHER_METHOD,
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::get;
    use drover_http::{Origins, finished};
    use tower::ServiceExt as _;

    use super::*;

    async fn page(requests: &[(&str, &str)]) -> String {
        let registry = Registry::new();
        let counts = Requests::register(&registry).unwrap();
        let routes = Router::new()
            .route("/things/{id}", get(|| async { "a thing" }))
            .route("/panic", get(panics));
        let routes = counts.counted(finished(routes, Origins::Local));
        for (method, path) in requests {
            let request =
                Request::builder().method(*method).uri(*path).body(Body::empty()).unwrap();
            routes.clone().oneshot(request).await.unwrap();
        }
        prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap()
    }

    async fn panics() -> &'static str {
        panic!("in a handler")
    }

    async fn check(requests: &[(&str, &str)], expected: &[&str]) {
        let page = page(requests).await;
        let totals: Vec<&str> =
            page.lines().filter(|line| line.starts_with("http_requests_total")).collect();
        assert_eq!(totals, expected, "{page}");
    }

    #[tokio::test]
    async fn requests_are_counted_by_the_template_of_their_route() {
        check(
            &[("GET", "/things/1"), ("GET", "/things/2"), ("POST", "/things/1")],
            &[
                r#"http_requests_total{method="GET",route="/things/{id}",status="200"} 2"#,
                r#"http_requests_total{method="POST",route="/things/{id}",status="405"} 1"#,
            ],
        )
        .await;
    }

    #[tokio::test]
    async fn no_client_makes_series_of_its_own() {
        check(
            &[("GET", "/one"), ("GET", "/two"), ("BREW", "/three"), ("STEEP", "/four")],
            &[
                r#"http_requests_total{method="GET",route="none",status="404"} 2"#,
                r#"http_requests_total{method="other",route="none",status="404"} 2"#,
            ],
        )
        .await;
    }

    #[tokio::test]
    async fn a_panic_is_an_answer_with_status_500() {
        let expected = r#"http_requests_total{method="GET",route="/panic",status="500"} 1"#;
        check(&[("GET", "/panic")], &[expected]).await;
    }

    #[tokio::test]
    async fn every_answer_is_one_duration_of_its_route() {
        let page = page(&[("GET", "/things/1"), ("POST", "/things/2"), ("GET", "/one")]).await;
        for expected in [
            r#"http_request_duration_seconds_count{route="/things/{id}"} 2"#,
            r#"http_request_duration_seconds_bucket{route="/things/{id}",le="+Inf"} 2"#,
            r#"http_request_duration_seconds_count{route="none"} 1"#,
        ] {
            assert!(page.lines().any(|line| line == expected), "{expected}: {page}");
        }
    }
}
