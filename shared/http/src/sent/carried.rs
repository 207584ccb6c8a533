//! The headers that the records of a request get: its correlation id, the attributes of a CloudEvent, and the
//! headers that the contract reads. Records never get credentials.

use std::collections::BTreeSet;

use drover_core::intake::contract::Contract;
use drover_intake::body::{Events, Format};
use drover_intake::submission::tracing_headers;

use super::Sent;

/// The prefix of HTTP headers with attributes of a CloudEvent in binary mode. The prefix in Kafka is `ce_`.
const CLOUD_EVENTS: &str = "ce-";
/// Maximum number of attributes of a CloudEvent.
const CLOUD_EVENT_HEADERS: usize = 32;
/// Maximum length of a header that a contract reads, in bytes.
const HEADER_BYTES: usize = 4096;
/// Headers that no record gets: credentials, and the encoding, because the body is decoded.
const NEVER_CARRIED: [&str; 7] = [
    "authorization",
    "content-encoding",
    "cookie",
    "proxy-authorization",
    "x-amz-security-token",
    "x-api-key",
    "x-forwarded-authorization",
];

/// The headers for the records of a request.
pub fn carried(
    sent: &Sent,
    format: Format,
    events: &Events<'_>,
    contract: Option<&Contract>,
) -> Vec<(String, Vec<u8>)> {
    let traceparent = sent.headers.get("traceparent").map(|value| value.as_bytes());
    let mut carried = tracing_headers(&sent.correlation.0, traceparent);
    if events.is_single() {
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

/// Decodes the percent-encoding of a CloudEvent attribute in an HTTP header (CloudEvents HTTP protocol
/// binding, section 3.1.3.2). Other text stays unchanged.
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
