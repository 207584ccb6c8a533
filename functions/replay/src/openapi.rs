//! The OpenAPI document of this function's routes. The local host combines the documents of all
//! functions.

use drover_http::{Fault, ProblemBody};
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(
    paths(
        crate::letters::list,
        crate::letters::one,
        crate::replays::start,
        crate::replays::recent,
        crate::replays::resume,
        crate::replays::show,
        crate::replays::cancel,
        crate::levels::stats,
        crate::feeds::resend_subjects,
        crate::alerts::act_on_alert
    ),
    components(schemas(ProblemBody, Fault))
)]
struct Document;

/// The routes of this function.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_documents_its_problems_and_its_security() {
        let document = serde_json::to_value(openapi()).expect("JSON");
        let mut operations = 0;
        for (path, item) in document["paths"].as_object().expect("paths") {
            let scope = if path == "/buffer/stats" { "read" } else { "admin" };
            for (method, operation) in item.as_object().expect("methods") {
                operations += 1;
                assert_eq!(operation["security"][0]["api_key"][0], scope, "{method} {path}");
                assert!(operation["summary"].is_string(), "{method} {path}");
                for status in ["200", "400", "401", "403", "406", "503"] {
                    assert!(operation["responses"][status].is_object(), "{method} {path} {status}");
                }
            }
        }
        assert_eq!(operations, 10);
    }
}
