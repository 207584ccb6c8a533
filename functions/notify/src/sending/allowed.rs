//! The hosts whose addresses may be private.

use std::collections::BTreeSet;
use std::net::IpAddr;

use url::Host;

use super::addresses::is_public;

/// The hosts whose addresses may be private and that may be reached without TLS. A deployment names them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    hosts: BTreeSet<String>,
    loopback: bool,
}

/// A text is not the name of a host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name or the address of a host: host=`{text}`")]
pub struct InvalidHost {
    /// The text.
    pub text: String,
}

impl Allowed {
    /// Reads names and addresses of hosts that are separated by commas. An empty text names none.
    ///
    /// # Errors
    /// [`InvalidHost`]: one of them has a port, a scheme or a wildcard, or is empty.
    pub fn parse(text: &str) -> Result<Self, InvalidHost> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let hosts = text.split(',').map(str::trim).map(|text| match Host::parse(text) {
            Ok(host) if !text.contains('*') => Ok(normal(&host.to_string()).to_owned()),
            _ => Err(InvalidHost { text: text.to_owned() }),
        });
        Ok(Self { hosts: hosts.collect::<Result<_, _>>()?, loopback: false })
    }

    /// Allows loopback addresses too, for the local host: of every name with TLS, and of themselves and `localhost`
    /// without.
    #[must_use]
    pub fn and_loopback(self) -> Self {
        Self { loopback: true, ..self }
    }

    /// Whether a host may have this address. `host`: as it stands in a URL.
    pub(super) fn permits(&self, host: &str, address: IpAddr) -> bool {
        let is_loopback = self.loopback && address.to_canonical().is_loopback();
        is_loopback || is_public(address) || self.names(host)
    }

    /// Whether a host may be reached without TLS.
    pub(super) fn permits_plain(&self, host: &Host<&str>) -> bool {
        let is_loopback = match host {
            Host::Domain(name) => {
                let name = normal(name);
                name == "localhost" || name.ends_with(".localhost")
            }
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.to_canonical().is_loopback(),
        };
        (self.loopback && is_loopback) || self.names(&host.to_string())
    }

    fn names(&self, host: &str) -> bool {
        self.hosts.contains(normal(host))
    }
}

/// A name with a dot at its end is the same name.
fn normal(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_or_addresses_in_any_spelling() {
        let allowed = Allowed::parse("alertmanager.internal, LOCALHOST.,10.1,[fd00::0:1]");
        let allowed = allowed.expect("hosts");
        let private = |text: &str| text.parse::<IpAddr>().expect("an address");
        for host in ["alertmanager.internal", "alertmanager.internal.", "localhost", "10.0.0.1"] {
            assert!(allowed.permits(host, private("10.0.0.1")), "{host}");
        }
        assert!(allowed.permits("[fd00::1]", private("fd00::1")));
        for host in ["internal", "x.alertmanager.internal", "10.0.0.2", "alertmanager.internal.x"] {
            assert!(!allowed.permits(host, private("10.0.0.1")), "{host}");
        }
    }

    #[test]
    fn a_host_with_a_port_a_scheme_or_a_wildcard_is_an_error() {
        for text in ["a,,b", ",", "a:80", "http://a", "*.internal", "a b", "a/b", "user@a"] {
            assert!(Allowed::parse(text).is_err(), "{text}");
        }
        assert_eq!(Allowed::parse(" "), Ok(Allowed::default()));
        let error = Allowed::parse("a,b:80").expect_err("a port").to_string();
        assert_eq!(error, "not the name or the address of a host: host=`b:80`");
    }

    #[test]
    fn without_tls_only_named_hosts_are_reached_and_loopback_where_it_is_allowed() {
        let plain = |allowed: &Allowed, text: &str| {
            let url = url::Url::parse(text).expect("a URL");
            allowed.permits_plain(&url.host().expect("a host"))
        };
        let local = Allowed::default().and_loopback();
        for url in ["http://localhost", "http://a.localhost", "http://127.1", "http://[::1]"] {
            assert!(plain(&local, url), "{url}");
            assert!(!plain(&Allowed::default(), url), "{url}");
        }
        for url in ["http://example.com", "http://10.0.0.1", "http://localhost.example.com"] {
            assert!(!plain(&local, url), "{url}");
        }
        let named = Allowed::parse("10.0.0.1,am").expect("hosts");
        assert!(plain(&named, "http://10.0.0.1") && plain(&named, "http://AM."));
        assert!(!plain(&named, "http://10.0.0.2"));
    }
}
