//! Connections to addresses that were checked.

use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use aws_smithy_runtime_api::client::http::HttpConnectorSettings;
use aws_smithy_runtime_api::client::result::ConnectorError;

use super::answer::has_secret;
use crate::sending::request::Post;
use crate::sending::text::excerpt;
use crate::sending::{Allowed, NotSent, failed};

/// A client that connects to addresses that are allowed.
pub(super) fn connector(allowed: Allowed, within: Duration) -> Connector {
    let settings = HttpConnectorSettings::builder().connect_timeout(within).build();
    Connector::builder()
        .connector_settings(settings)
        .proxy_config(ProxyConfig::disabled())
        .pool_max_idle_per_host(0)
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_with_resolver(CheckedResolver { allowed: Arc::new(allowed) })
}

/// Why there was no answer.
pub(super) fn no_answer(error: &ConnectorError, post: &Post) -> NotSent {
    let target = &post.url;
    let first: &(dyn Error + 'static) = error;
    let chain = || std::iter::successors(Some(first), |error| (*error).source());
    if chain().any(<dyn Error>::is::<NoAllowedAddress>) {
        return failed(format!("{NoAllowedAddress}: target=`{target}`"));
    }
    if error.is_timeout() {
        return failed(format!("the target did not answer in time: target=`{target}`"));
    }
    let cause = chain().last().map(|error| excerpt(&error.to_string())).unwrap_or_default();
    let cause = if has_secret(&cause, post) { "…" } else { &cause };
    failed(format!("the target cannot be reached: target=`{target}` cause=`{cause}`"))
}

/// Gives only the addresses of a name that its target may have. What it gives is what is connected to, so that a name
/// cannot have another address in between.
#[derive(Clone, Debug)]
struct CheckedResolver {
    allowed: Arc<Allowed>,
}

/// No address of a name is allowed.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the target has no address that targets may have")]
struct NoAllowedAddress;

impl ResolveDns for CheckedResolver {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move {
            let found = tokio::net::lookup_host((name, 0)).await.map_err(ResolveDnsError::new)?;
            let found = found.map(|address| address.ip());
            let permitted: Vec<IpAddr> =
                found.filter(|address| self.allowed.permits(name, *address)).collect();
            match permitted.is_empty() {
                true => Err(ResolveDnsError::new(NoAllowedAddress)),
                false => Ok(permitted),
            }
        })
    }
}
