//! EventBridge buses: an event for everything that happens to an alert, for everything else than people.
//!
//! EventBridge reports success for a bus that does not exist (<https://github.com/aws/aws-cli/issues/9186>), so a wrong
//! name is not noticed here.

use aws_config::SdkConfig;
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::config::Config;
use aws_sdk_eventbridge::config::retry::RetryConfig;
use aws_sdk_eventbridge::operation::put_events::PutEventsOutput;
use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use drover_aws::calls;
use drover_core::outputs::notifications::Notification;
use serde_json::Value;

use super::data::{data, kind};
use super::text::excerpt;
use super::{NotSent, failed, region, timeouts};

/// The source of every event, for rules.
const SOURCE: &str = "drover";

/// Puts events on buses.
pub(super) struct Buses {
    client: Client,
}

impl Buses {
    /// Buses of the account. One that is named by its ARN is used in its region.
    pub(super) fn new(sdk: &SdkConfig) -> Self {
        let config = aws_sdk_eventbridge::config::Builder::from(sdk);
        let config = config.retry_config(RetryConfig::disabled()).timeout_config(timeouts());
        Self { client: Client::from_conf(config.build()) }
    }

    /// Puts an event once.
    ///
    /// # Errors
    /// [`NotSent`].
    pub(super) async fn put(&self, bus: &str, notification: &Notification) -> Result<(), NotSent> {
        let request = self.client.put_events().entries(entry(bus, notification)).customize();
        let request = match region(bus) {
            Some(region) => request.config_override(Config::builder().region(region)),
            None => request,
        };
        match request.send().await {
            Ok(answer) => taken(&answer),
            Err(error) => {
                Err(failed(calls::unavailable("putting an event on the bus", &error).to_string()))
            }
        }
    }
}

fn entry(bus: &str, notification: &Notification) -> PutEventsRequestEntry {
    let mut detail = data(notification);
    detail.insert("type".to_owned(), kind(notification).into());
    PutEventsRequestEntry::builder()
        .event_bus_name(bus)
        .source(SOURCE)
        .detail_type(format!("Alert {}", notification.news.as_str()))
        .detail(Value::Object(detail).to_string())
        .time(DateTime::from_secs(notification.at.whole_seconds()))
        .build()
}

/// Whether the bus took the event. The call succeeds all the same.
fn taken(answer: &PutEventsOutput) -> Result<(), NotSent> {
    match answer.entries().first() {
        Some(entry) if entry.error_code().is_none() && entry.event_id().is_some() => Ok(()),
        Some(entry) => {
            let code = entry.error_code().unwrap_or("none");
            let said = excerpt(entry.error_message().unwrap_or("nothing"));
            Err(failed(format!("the bus refuses the event: code=`{code}` said=`{said}`")))
        }
        None => Err(failed("EventBridge returned no result for the event")),
    }
}

#[cfg(test)]
mod tests;
