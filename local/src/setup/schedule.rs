//! The schedule of the relay's sweep, which EventBridge runs on AWS.

use std::time::Duration;

use axum::body::Bytes;
use tokio::task::JoinHandle;

use crate::function::Functions;

const EVERY: Duration = Duration::from_secs(60);
const SWEEP: &[u8] = br#"{"action":"sweep"}"#;

/// Invokes the sweep each minute, until the task is aborted.
pub(crate) fn sweep(functions: &Functions) -> Option<JoinHandle<()>> {
    let relay = functions.find(drover_relay::FUNCTION)?;
    Some(tokio::spawn(async move {
        for number in 1_u64.. {
            tokio::time::sleep(EVERY).await;
            let request_id = format!("sweep-{number}");
            let swept = relay.clone().invoke(Bytes::from_static(SWEEP), request_id).await;
            if let Err(error) = swept {
                tracing::warn!(error = &error as &dyn std::error::Error, "a sweep failed");
            }
        }
    }))
}
