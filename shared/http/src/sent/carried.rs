//! The headers that the records of a request get: its correlation id, the attributes of a CloudEvent, and the
//! headers that the contract reads. Records never get credentials.

use std::collections::BTreeSet;

use drover_core::intake::contract::Contract;
use drover_core::intake::record::is_credential;
use drover_intake::body::{Events, Format};
use drover_intake::submission::tracing_headers;

use super::Sent;

/// The prefix of HTTP headers with attributes of a CloudEvent in binary mode. The prefix in Kafka is `ce_`.
const CLOUD_EVENTS: &str = "ce-";
/// Maximum number of attributes of a CloudEvent.
const CLOUD_EVENT_HEADERS: usize = 32;
/// Maximum length of a header that a contract reads, in bytes.
const HEADER_BYTES: usize = 4096;
/// Maximum number of the headers of a request that a transform reads as `$headers`.
const ALL_HEADERS: usize = 64;
/// Maximum length of these headers together, in bytes.
const ALL_HEADERS_BYTES: usize = 16 * 1024;
/// Whether no record gets a header: credentials, and the encoding, because the body is decoded.
fn is_never_carried(name: &str) -> bool {
    name == "content-encoding" || is_credential(name)
}

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
    if contract.is_some_and(Contract::reads_all_headers) {
        let all = sent.headers.keys().map(|name| name.as_str().to_owned());
        names.extend(all.take(ALL_HEADERS));
    }
    let mut room = ALL_HEADERS_BYTES;
    for name in names {
        let taken = carried.iter().any(|(known, _)| *known == name);
        let value = sent.headers.get(&name).map(|value| value.as_bytes());
        if let Some(value) = value.filter(|value| !taken && value.len() <= HEADER_BYTES)
            && !is_never_carried(&name)
        {
            let bytes = name.len() + value.len();
            if bytes > room {
                break;
            }
            room -= bytes;
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
