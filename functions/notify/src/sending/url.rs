//! The addresses of targets, checked before anything is sent.

use std::fmt;
use std::net::IpAddr;

use url::{Host, Url};

use super::allowed::Allowed;
use super::{NotSent, failed};

/// Shorter parts of an address are secret only as a whole.
const SECRET_CHARS: usize = 8;

/// The URL of a target, which may be asked. Its text for people has no path and no query, because they can be secret.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct TargetUrl {
    url: Url,
    shown: String,
}

/// What people see of a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// Scheme, host and port.
    Origin,
    /// The host alone, of a URL that is a secret.
    Host,
}

impl TargetUrl {
    /// Checks a URL. The addresses of a name are checked when they are known.
    ///
    /// # Errors
    /// It is no URL, has a user, has a scheme or an address that is not allowed.
    pub(super) fn parse(text: &str, shown: Shown, allowed: &Allowed) -> Result<Self, NotSent> {
        let mut url = Url::parse(text).map_err(|_| failed("the target has an invalid URL"))?;
        url.set_fragment(None);
        let shown = match shown {
            Shown::Origin => url.origin().ascii_serialization(),
            Shown::Host => url.host_str().unwrap_or_default().to_owned(),
        };
        let refused = |why: &str| failed(format!("{why}: target=`{shown}`"));
        let Some(host) = url.host() else {
            return Err(failed("the URL of the target has no host"));
        };
        match url.scheme() {
            "https" => (),
            "http" if allowed.permits_plain(&host) => (),
            "http" => return Err(refused("targets are reached with https only")),
            _ => return Err(failed("the URL of the target is not https")),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused("the URL of the target has a user"));
        }
        // No name is resolved for an address, so that it is checked here.
        let address = match host {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(IpAddr::V4(address)),
            Host::Ipv6(address) => Some(IpAddr::V6(address)),
        };
        if address.is_some_and(|address| !allowed.permits(&host.to_string(), address)) {
            return Err(refused("the target has an address that targets may not have"));
        }
        Ok(Self { shown, url })
    }

    /// The URL of something below this one.
    #[must_use]
    pub(super) fn below(mut self, path: &[&str]) -> Self {
        if let Ok(mut segments) = self.url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        self
    }

    /// The whole URL, for the request.
    pub(super) fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// The parts that people may not see.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        let (path, query) = (self.url.path(), self.url.query().unwrap_or_default());
        let parts = path.split('/').chain(query.split(['&', '=']));
        let parts = parts.filter(|part| part.len() >= SECRET_CHARS);
        parts.chain([path, query].into_iter().filter(|whole| !matches!(*whole, "" | "/")))
    }
}

impl fmt::Display for TargetUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(text: &str, allowed: &Allowed) -> Option<String> {
        TargetUrl::parse(text, Shown::Origin, allowed).err().map(|error| error.to_string())
    }

    #[test]
    fn an_address_that_is_not_public_is_refused_in_every_spelling() {
        for host in [
            "127.0.0.1",
            "127.1",
            "127.0.0.1.",
            "2130706433",
            "0x7f000001",
            "017700000001",
            "0",
            "0x7f.1",
            "10.1",
            "169.254.169.254",
            "2852039166",
            "0xa9fea9fe",
            "100.64.0.1",
            "[::]",
            "[::1]",
            "[::ffff:10.0.0.1]",
            "[::ffff:7f00:1]",
            "[::127.0.0.1]",
            "[fd00:ec2::254]",
            "[fe80::1]",
            "[64:ff9b::a9fe:a9fe]",
            "[2002:7f00:1::]",
            "%31%32%37.0.0.1",
            "１２７.0.0.1",
            "127。0。0。1",
        ] {
            let refused = reason(&format!("https://{host}:8443/hook"), &Allowed::default());
            let refused = refused.unwrap_or_default();
            assert!(refused.contains("address that targets may not have"), "{host}: {refused}");
        }
        for url in ["https://8.8.8.8/a", "https://[2606:4700::1111]:8443", "https://a.example"] {
            assert_eq!(reason(url, &Allowed::default()), None, "{url}");
        }
    }

    #[test]
    fn other_schemes_and_users_are_refused_and_reasons_show_no_path() {
        let check = |text: &str, expected: &str| {
            let refused = reason(text, &Allowed::default());
            assert_eq!(refused.as_deref(), Some(expected), "{text}");
        };
        check(
            "http://a.example/s3cr3t",
            "targets are reached with https only: target=`http://a.example`",
        );
        check("ftp://a.example/s3cr3t", "the URL of the target is not https");
        check("file:///s3cr3t", "the URL of the target has no host");
        check("s3cr3t", "the target has an invalid URL");
        check(
            "https://u:p@a.example/s3cr3t",
            "the URL of the target has a user: target=`https://a.example`",
        );
        check(
            "https://:p@a.example:1/",
            "the URL of the target has a user: target=`https://a.example:1`",
        );
    }

    #[test]
    fn named_hosts_and_loopback_are_allowed_where_the_deployment_says_so() {
        let named = Allowed::parse("10.0.0.1,am.internal").expect("hosts");
        let local = Allowed::default().and_loopback();
        for url in
            ["http://10.0.0.1:9093", "https://10.1/", "http://am.internal", "https://AM.internal"]
        {
            assert_eq!(reason(url, &named), None, "{url}");
        }
        for url in [
            "http://127.0.0.1:1",
            "http://localhost:1",
            "https://[::1]",
            "https://[::ffff:127.0.0.1]",
        ] {
            assert_eq!(reason(url, &local), None, "{url}");
        }
        for url in ["http://10.0.0.2", "https://10.0.0.2", "http://am.internal.example"] {
            assert!(reason(url, &named).is_some() && reason(url, &local).is_some(), "{url}");
        }
    }

    #[test]
    fn a_path_is_added_before_the_query() {
        let below = |text| {
            let url = TargetUrl::parse(text, Shown::Origin, &Allowed::default()).expect("a URL");
            url.below(&["api", "v2", "alerts"]).as_str().to_owned()
        };
        assert_eq!(below("https://am.example"), "https://am.example/api/v2/alerts");
        assert_eq!(below("https://am.example/"), "https://am.example/api/v2/alerts");
        assert_eq!(
            below("https://am.example/am/?a=b#c"),
            "https://am.example/am/api/v2/alerts?a=b"
        );
    }
}
