//! One request to a target, and what its answer means.
//!
//! Redirects are not followed, proxies of the environment are not used, and a request gets a connection of its own:
//! connections die while an environment is frozen. A name is resolved when its connection is opened, and only addresses
//! that were checked are connected to.

mod answer;
mod connect;

use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use drover_core::base::time::Timestamp;

use super::request::Post;
use super::url::{Shown, TargetUrl};
use super::{Allowed, NotSent, failed};

/// The parts of the time limit that connecting takes, and reading why a target refuses.
const CONNECTING: u32 = 3;
const READING: u32 = 8;

/// Sends requests to targets.
pub(super) struct Http {
    connector: Connector,
    /// The hosts whose addresses may be private.
    pub(super) allowed: Allowed,
    /// How long the beginning of a refusal is waited for.
    said_within: Duration,
}

impl Http {
    /// A client. `limit`: the time limit of a try, of which connecting and reading take a part each.
    pub(super) fn new(allowed: Allowed, limit: Duration) -> Self {
        let connector = connect::connector(allowed.clone(), limit / CONNECTING);
        Self { connector, allowed, said_within: limit / READING }
    }

    /// Checks the URL of a target.
    ///
    /// # Errors
    /// [`NotSent`]: the URL is not allowed.
    pub(super) fn url(&self, text: &str, shown: Shown) -> Result<TargetUrl, NotSent> {
        TargetUrl::parse(text, shown, &self.allowed)
    }

    /// Sends a request once. The caller limits the time.
    ///
    /// # Errors
    /// [`NotSent`]: there was no answer, or another one than success.
    pub(super) async fn post(&self, post: &Post, now: Timestamp) -> Result<(), NotSent> {
        let request = request(post)?;
        let response = self.connector.call(request).await;
        let response = response.map_err(|error| connect::no_answer(&error, post))?;
        let (status, headers) = (response.status().as_u16(), response.headers());
        let wait_seconds = headers.get("retry-after").and_then(|text| answer::wait(text, now));
        let content_type = headers.get("content-type").unwrap_or_default().to_owned();
        let said = match answer::is_explained(status) {
            true => {
                answer::said(response.into_body(), &content_type, (post, self.said_within)).await
            }
            false => None,
        };
        answer::meaning(status, wait_seconds, said.as_deref(), &post.url)
    }
}

/// The request; other errors than the reason would show what is in it.
fn request(post: &Post) -> Result<HttpRequest, NotSent> {
    let mut request = HttpRequest::new(SdkBody::from(post.body.as_str()));
    let invalid = || failed(format!("a header of the request is invalid: target=`{}`", post.url));
    request.set_method("POST").map_err(|_| invalid())?;
    request
        .set_uri(post.url.as_str())
        .map_err(|_| failed(format!("the URL of the target is invalid: target=`{}`", post.url)))?;
    let content_type = ("content-type", "application/json".to_owned());
    let user_agent = ("user-agent", "Drover".to_owned());
    for (name, value) in [content_type, user_agent].iter().chain(&post.headers) {
        request.headers_mut().try_insert(*name, value.clone()).map_err(|_| invalid())?;
    }
    Ok(request)
}
