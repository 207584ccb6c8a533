//! The OpenAPI document of all functions, generated from their code. `openapi.json` in the root of
//! the repository is this document. The query function serves that file, because no function knows
//! the routes of another.

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, ContactBuilder, InfoBuilder, LicenseBuilder, OpenApi, Server};

const KEY: &str = "An API key of the tenant, with the scope that the route names; or, where a deployment \
    says so, a token that the gateway verifies.";
const DESCRIPTION: &str = "At-least-once, out-of-order event streams of many tenants as ordered \
    history and correct state per device, asset or learner. Errors are problem details (RFC 9457) \
    with a stable code. Times are RFC 3339 in UTC. Unknown query parameters are refused.";

/// The document as indented JSON that ends with a line feed.
///
/// # Errors
/// Never for the existing routes.
pub fn document() -> Result<String, serde_json::Error> {
    let mut document = OpenApi::default();
    document.merge(drover_ingest::openapi());
    document.merge(drover_query::openapi());
    document.merge(drover_replay::openapi());
    document.info = InfoBuilder::new()
        .title("Drover")
        .version("1")
        .description(Some(DESCRIPTION))
        .license(Some(
            LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build(),
        ))
        .contact(Some(ContactBuilder::new().name(Some("Drover")).build()))
        .build();
    document.servers = Some(vec![Server::new("/")]);
    let key = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(KEY)).build();
    let components = document.components.get_or_insert_with(Components::new);
    components.add_security_scheme("api_key", SecurityScheme::Http(key));
    let mut text = serde_json::to_string_pretty(&document)?;
    text.push('\n');
    Ok(text)
}
