//! Handshakes of webhooks: a sender requests permission before it delivers events. The operator lists the
//! allowed origins; the default list is empty. A handshake stores no event.
//!
//! - `cloud_events`: `OPTIONS` requests, as in the CloudEvents specification, without credentials
//! - `event_grid`: the validation event of Azure Event Grid's own schema, with the same credentials as other
//!   requests
//!
//! Only `/api/v1/events` has handshakes, because no webhook sender uses the format of `/collect`.

use drover_core::base::variables::{Misconfigured, Variables};
use drover_http::Problem;

pub(crate) mod cloud_events;
pub(crate) mod event_grid;

const VARIABLE: &str = "DROVER_WEBHOOK_ORIGINS";
/// The maximum length of an origin, which is a DNS name, in bytes.
const ORIGIN_BYTES: usize = 253;
const LABEL_BYTES: usize = 63;
/// The maximum number of listed origins.
const ORIGINS: usize = 50;
/// The maximum length of an origin in a message, in bytes.
const SHOWN_BYTES: usize = 40;

/// The origins whose webhooks may subscribe, as DNS names. The default is an empty list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookOrigins(Vec<String>);

impl WebhookOrigins {
    /// Reads `DROVER_WEBHOOK_ORIGINS`: names, separated by commas.
    ///
    /// # Errors
    /// An entry is not a DNS name, or there are too many entries.
    pub fn read<F>(variables: &Variables<F>) -> Result<Self, Misconfigured>
    where
        F: Fn(&str) -> Option<String>,
    {
        let listed = variables.optional(VARIABLE).unwrap_or_default();
        let listed = listed.split(',').map(str::trim).filter(|origin| !origin.is_empty());
        Self::listed(listed).map_err(|fault| Misconfigured::new(VARIABLE, fault))
    }

    /// Allows exactly these origins, in any case.
    ///
    /// # Errors
    /// An entry is not a DNS name, or there are too many entries. The error is a predicate without its
    /// subject.
    pub fn listed<'a>(origins: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut listed = Vec::new();
        for origin in origins {
            if !is_name(origin) {
                let shown = shown(origin);
                return Err(format!(
                    "must list DNS names such as eventgrid.azure.net: value=`{shown}`"
                ));
            }
            listed.push(origin.to_ascii_lowercase());
        }
        if listed.len() > ORIGINS {
            return Err(format!("must list at most {ORIGINS} origins: count=`{}`", listed.len()));
        }
        Ok(Self(listed))
    }

    /// Accepts a listed origin.
    ///
    /// # Errors
    /// `forbidden`
    fn admit(&self, origin: &str) -> Result<(), Problem> {
        if self.0.iter().any(|listed| listed.eq_ignore_ascii_case(origin)) {
            return Ok(());
        }
        let detail = format!(
            "webhooks of this origin are not allowed, the operator lists allowed origins in {VARIABLE} \
             (on the local host --webhook-origin): origin=`{}`",
            shown(origin)
        );
        Err(Problem::forbidden("forbidden", &detail))
    }
}

/// Whether a text is a DNS name.
fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=LABEL_BYTES).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.len() <= ORIGIN_BYTES && text.split('.').all(is_label)
}

fn shown(origin: &str) -> &str {
    origin.get(..origin.floor_char_boundary(SHOWN_BYTES)).unwrap_or_default()
}

fn malformed(detail: impl Into<String>) -> Problem {
    Problem::bad_request("invalid_handshake", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_dns_names_and_none_is_allowed_by_default() {
        let read = |value: Option<&str>| {
            WebhookOrigins::read(&Variables(|_: &str| value.map(str::to_owned)))
        };
        assert_eq!(read(None), Ok(WebhookOrigins::default()));
        assert_eq!(read(Some("  ")), Ok(WebhookOrigins::default()));
        let listed = read(Some(" eventgrid.azure.net, Events.Example.com ,")).expect("two names");
        for origin in ["eventgrid.azure.net", "events.example.com", "EVENTS.example.com"] {
            assert_eq!(listed.admit(origin), Ok(()), "{origin}");
        }
        for origin in ["example.com", "eventgrid.azure.net.example.com", "xeventgrid.azure.net", ""]
        {
            assert_eq!(
                listed.admit(origin).expect_err("not listed").code(),
                "forbidden",
                "{origin}"
            );
        }
        for wrong in ["*", "https://example.com", "a..b", "*.example.com", "a b", &"a".repeat(64)] {
            let error = read(Some(wrong)).expect_err("no name").to_string();
            assert!(error.starts_with("DROVER_WEBHOOK_ORIGINS must list DNS names"), "{error}");
        }
        let many = vec!["a"; ORIGINS + 1].join(",");
        assert!(read(Some(&many)).is_err());
    }
}
