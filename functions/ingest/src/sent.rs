//! A request with events as it came, unpacked.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode};
use drover_http::{CorrelationId, Problem};

use crate::body;

/// A request as it came, with the caller that sent it.
pub(crate) struct Sent {
    pub(crate) headers: HeaderMap,
    pub(crate) correlation: CorrelationId,
    pub(crate) body: Vec<u8>,
}

impl Sent {
    /// Unpacks a request.
    pub(crate) fn of(
        headers: HeaderMap,
        correlation: CorrelationId,
        body: Result<Bytes, BytesRejection>,
    ) -> Result<Self, Problem> {
        let body = body.map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                let limit = body::SENT_BYTES;
                body::too_large(&format!("the body is too large: limit=`{limit}`"))
            }
            _ => Problem::bad_request("malformed_json", "the body ended early"),
        })?;
        let body = body::unpacked(&headers, body.into())?;
        Ok(Self { headers, correlation, body })
    }
}
