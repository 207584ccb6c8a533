//! The response to a request of a gateway whose format is not read: a problem document in that gateway's
//! response format, so that its caller sees what to configure. No route sees the request.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use serde::Serialize;
use uuid::Uuid;

use super::source::{Gateway, HeaderForm};
use crate::Problem;
use crate::layers::CORRELATION_ID;
use crate::problem::MEDIA_TYPE;

/// A response in the format that REST APIs, WebSocket APIs, load balancers, VPC Lattice and HTTP APIs share.
/// REST APIs refuse a response with any other member.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GatewayResponse {
    status_code: u16,
    /// Load balancers and VPC Lattice only.
    #[serde(skip_serializing_if = "Option::is_none")]
    status_description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<BTreeMap<String, String>>,
    /// Load balancers that send lists of values expect lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    multi_value_headers: Option<BTreeMap<String, [String; 1]>>,
    body: String,
    is_base64_encoded: bool,
}

/// Answers a request of another gateway, and logs it.
pub(super) fn response(gateway: &Gateway) -> GatewayResponse {
    let problem = problem(gateway);
    let correlation_id = Uuid::new_v4().to_string();
    tracing::warn!(correlation_id, code = problem.code(), detail = problem.detail(), "not served");
    let status = problem.status();
    let body = serde_json::to_string(&problem.body(&correlation_id)).unwrap_or_default();
    let headers = [
        (CONTENT_TYPE.to_string(), MEDIA_TYPE.to_owned()),
        (CORRELATION_ID.to_string(), correlation_id),
    ];
    let (headers, multi_value_headers) = match gateway {
        Gateway::LoadBalancer(HeaderForm::Multiple) => {
            (None, Some(headers.map(|(name, value)| (name, [value])).into()))
        }
        Gateway::RestApi
        | Gateway::OtherFormat
        | Gateway::WebSocketApi
        | Gateway::LoadBalancer(HeaderForm::Single)
        | Gateway::Lattice
        | Gateway::Unreadable(_) => (Some(headers.into()), None),
    };
    let described = matches!(gateway, Gateway::LoadBalancer(_) | Gateway::Lattice);
    GatewayResponse {
        status_code: status.as_u16(),
        status_description: described.then(|| status.to_string()),
        headers,
        multi_value_headers,
        body,
        is_base64_encoded: false,
    }
}

fn problem(gateway: &Gateway) -> Problem {
    const OTHER: &str = "put an HTTP API or a function URL in front of the function";
    const FORMAT: &str = "set PayloadFormatVersion of its integration to 2.0";
    let (name, advice) = match gateway {
        Gateway::RestApi => ("an API Gateway REST API (payload format 1.0)", OTHER),
        Gateway::OtherFormat => {
            ("an API Gateway HTTP API with another payload format, such as 1.0", FORMAT)
        }
        Gateway::WebSocketApi => ("an API Gateway WebSocket API", OTHER),
        Gateway::LoadBalancer(_) => ("an Application Load Balancer (ALB target group)", OTHER),
        Gateway::Lattice => ("VPC Lattice", OTHER),
        Gateway::Unreadable(header) => return unreadable(header.as_deref()),
    };
    let detail = format!(
        "this function takes requests of API Gateway HTTP APIs and of function URLs (payload format 2.0), and \
         this request comes from {name}: {advice}"
    );
    Problem::new(StatusCode::MISDIRECTED_REQUEST, "unsupported_gateway", detail)
}

fn unreadable(header: Option<&str>) -> Problem {
    let detail = match header {
        Some(name) => {
            format!("a header has a name or a character that HTTP does not allow: header=`{name}`")
        }
        None => "the gateway's event is damaged".to_owned(),
    };
    Problem::bad_request("malformed_request", detail)
}
