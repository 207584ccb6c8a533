//! What goes along with each event of a request: its correlation, the attributes of a CloudEvent, and the headers
//! that its contract reads. What proves who sends goes along with none.

use std::collections::BTreeSet;

use drover_core::intake::contract::Contract;

use crate::body::{Events, Format};
use crate::sent::Sent;

/// The longest `traceparent`: the W3C's version 00 has 55 characters.
const TRACEPARENT_BYTES: usize = 256;
/// HTTP headers that speak of a single event: CloudEvents in binary mode. Kafka calls them `ce_…`.
const CLOUD_EVENTS: &str = "ce-";
const CLOUD_EVENT_HEADERS: usize = 32;
/// The longest header that goes along with an event because its contract names it.
const HEADER_BYTES: usize = 4096;
/// Headers that prove who sends, and the encoding that is undone: they go along with no event.
const NEVER_CARRIED: [&str; 7] = [
    "authorization",
    "content-encoding",
    "cookie",
    "proxy-authorization",
    "x-amz-security-token",
    "x-api-key",
    "x-forwarded-authorization",
];

/// What goes along with each event.
pub(crate) fn carried(
    sent: &Sent,
    format: Format,
    events: &Events<'_>,
    contract: Option<&Contract>,
) -> Vec<(String, Vec<u8>)> {
    let mut carried = vec![("correlation_id".to_owned(), sent.correlation.0.as_bytes().to_vec())];
    let traceparent = sent.headers.get("traceparent").map(|value| value.as_bytes());
    if let Some(traceparent) = traceparent.filter(|value| value.len() <= TRACEPARENT_BYTES) {
        carried.push(("traceparent".to_owned(), traceparent.to_vec()));
    }
    if let Events::Single(_) = events {
        let named = sent.headers.iter().filter_map(|(name, value)| {
            let attribute = name.as_str().strip_prefix(CLOUD_EVENTS)?;
            Some((format!("ce_{attribute}"), percent_decoded(value.as_bytes())))
        });
        carried.extend(named.take(CLOUD_EVENT_HEADERS));
    }
    let mut names: BTreeSet<String> =
        contract.into_iter().flat_map(Contract::headers).map(str::to_ascii_lowercase).collect();
    if format == Format::Data || contract.is_some_and(Contract::reads_media_type) {
        names.insert("content-type".to_owned());
    }
    for name in names {
        let taken = carried.iter().any(|(known, _)| *known == name);
        let value = sent.headers.get(&name).map(|value| value.as_bytes());
        if let Some(value) = value.filter(|value| !taken && value.len() <= HEADER_BYTES)
            && !NEVER_CARRIED.contains(&name.as_str())
        {
            carried.push((name, value.to_vec()));
        }
    }
    carried
}

/// Attributes of CloudEvents are percent-encoded in headers of HTTP (its protocol binding, section 3.1.3.2).
/// What is no such code stays.
fn percent_decoded(value: &[u8]) -> Vec<u8> {
    let hex = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut decoded = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((first, behind)) = rest.split_first() {
        let code = match (first, behind) {
            (b'%', [high, low, ..]) => hex(high).zip(hex(low)),
            _ => None,
        };
        match code {
            Some((high, low)) => {
                decoded.push(high * 16 + low);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                decoded.push(*first);
                rest = behind;
            }
        }
    }
    decoded
}
