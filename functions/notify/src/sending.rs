//! Sends notifications to targets.
//!
//! A try is one request, with a time limit. Everything about it is decided without I/O: what is sent, to which
//! addresses, and what the answer means.
//!
//! - [`Targets`]: every kind of target
//! - `webhook`, `slack`, `alertmanager`, `pagerduty`, `sns`, `eventbridge`: what each kind is sent
//! - `data`: the JSON of an alert within a number of bytes; `text`: what people read about an alert
//! - `http`: one request and what its answer means; `url`: the addresses of targets
//! - [`Allowed`]: hosts that may be private; `addresses`: which addresses are public
//! - `secrets`: the secrets of targets; `pace`: at most one message a second

use std::future::Future;
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use drover_core::intake::tenant::Target;
use drover_core::outputs::notifications::Notification;

mod addresses;
mod alertmanager;
mod allowed;
mod data;
mod eventbridge;
mod http;
mod pace;
mod pagerduty;
mod request;
mod secrets;
mod slack;
mod sns;
mod targets;
mod text;
mod url;
mod webhook;

pub use self::allowed::{Allowed, InvalidHost};
pub use self::targets::Targets;

/// Sends notifications to targets, one try each.
pub trait Sender: Send + Sync {
    /// Tries once.
    ///
    /// # Errors
    /// [`NotSent`].
    fn send(
        &self,
        target: &Target,
        notification: &Notification,
    ) -> impl Future<Output = Result<(), NotSent>> + Send;
}

/// Why a target did not take a notification.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// It may take it later.
    #[error("{reason}")]
    Failed {
        /// The reason for people, without secrets: addresses are shown without path and query.
        reason: String,
        /// How many seconds the target asks to wait.
        wait_seconds: Option<i64>,
    },
    /// The target asks for no more notifications (HTTP status 410).
    #[error("{reason}")]
    Gone {
        /// The reason for people.
        reason: String,
    },
}

/// A failure without a time to wait.
fn failed(reason: impl Into<String>) -> NotSent {
    NotSent::Failed { reason: reason.into(), wait_seconds: None }
}

/// The region in an ARN. A client must speak to the region of its resource.
fn region(arn: &str) -> Option<aws_config::Region> {
    let mut parts = arn.split(':');
    let region = parts.next().filter(|first| *first == "arn").and_then(|_| parts.nth(2))?;
    (!region.is_empty()).then(|| aws_config::Region::new(region.to_owned()))
}

/// The timeouts of an AWS service that is asked once: a second try would reach people twice.
fn timeouts() -> TimeoutConfig {
    let timeouts = TimeoutConfig::builder().connect_timeout(Duration::from_secs(3));
    timeouts.operation_timeout(Duration::from_secs(10)).build()
}

#[cfg(test)]
mod tests;
