//! An HTTP server with scripted responses, for cases that no emulator produces on demand:
//! throttling, conflicts, rejections, incomplete responses.

use std::net::SocketAddr;

use axum::Router;
use axum::http::{StatusCode, header};
use tokio::net::TcpListener;

/// A status and a body.
pub type Answer = (u16, String);

/// Serves until the test's runtime ends. The response is a function of the request body.
///
/// # Errors
/// The machine has no free port.
pub async fn serve(
    answer: impl Fn(&str) -> Answer + Clone + Send + Sync + 'static,
) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let respond = |body: String| async move {
        let (status, text) = answer(&body);
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::IM_A_TEAPOT);
        (status, [(header::CONTENT_TYPE, "application/x-amz-json-1.0")], text)
    };
    let app = Router::new().fallback(respond);
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(address)
}

/// Accepts every connection and closes it without a response.
///
/// # Errors
/// The machine has no free port.
pub async fn hang_up() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    Ok(address)
}

/// Accepts every connection and never responds.
///
/// # Errors
/// The machine has no free port.
pub async fn stay_silent() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok(connection) = listener.accept().await {
            open.push(connection);
        }
    });
    Ok(address)
}

/// An error in DynamoDB's format.
pub fn dynamodb_error(status: u16, code: &str) -> Answer {
    let body = serde_json::json!({
        "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"),
        "message": "on demand",
    });
    (status, body.to_string())
}

/// A cancelled transaction, with the code of each item in order.
pub fn cancelled(codes: &[&str]) -> Answer {
    let reasons: Vec<_> = codes.iter().map(|code| serde_json::json!({ "Code": code })).collect();
    let body = serde_json::json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "message": "on demand",
        "CancellationReasons": reasons,
    });
    (400, body.to_string())
}
