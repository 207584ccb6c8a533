//! SNS topics: a text for e-mail and phones. The attributes of a message are for filter policies.

use aws_config::SdkConfig;
use aws_sdk_sns::Client;
use aws_sdk_sns::config::Config;
use aws_sdk_sns::config::retry::RetryConfig;
use aws_sdk_sns::types::MessageAttributeValue;
use drover_aws::calls;
use drover_core::outputs::notifications::Notification;

use super::text::{cut, facts, line, retraction, summary, title};
use super::{NotSent, failed, region, timeouts};

/// Subjects are shorter than 100 characters: <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>
const SUBJECT_CHARS: usize = 99;
/// Far below what a topic accepts, and more than people read.
const TEXT_CHARS: usize = 2_000;

/// Publishes to topics.
pub(super) struct Topics {
    client: Client,
}

/// A message.
#[derive(Debug, PartialEq, Eq)]
struct Message {
    subject: String,
    text: String,
    attributes: Vec<(&'static str, String)>,
}

impl Topics {
    /// Topics of the account, each in the region of its ARN. A message is sent once: people get every copy.
    pub(super) fn new(sdk: &SdkConfig) -> Self {
        let config = aws_sdk_sns::config::Builder::from(sdk);
        let config = config.retry_config(RetryConfig::disabled()).timeout_config(timeouts());
        Self { client: Client::from_conf(config.build()) }
    }

    /// Publishes once.
    ///
    /// # Errors
    /// [`NotSent`].
    pub(super) async fn publish(
        &self,
        topic: &str,
        notification: &Notification,
    ) -> Result<(), NotSent> {
        let Message { subject, text, attributes } = message(notification);
        let mut request = self.client.publish().topic_arn(topic).subject(subject).message(text);
        for (name, text) in attributes {
            let value = MessageAttributeValue::builder().data_type("String").string_value(text);
            let value = value.build().map_err(|_| failed("a bug: an attribute has no type"))?;
            request = request.message_attributes(name, value);
        }
        let region = region(topic).map(|region| Config::builder().region(region));
        let request = request.customize();
        let request = match region {
            Some(config) => request.config_override(config),
            None => request,
        };
        let sent = request.send().await;
        sent.map(drop).map_err(|error| {
            failed(calls::unavailable("publishing to the topic", &error).to_string())
        })
    }
}

fn message(notification: &Notification) -> Message {
    let text = |pointer| line(notification.text(pointer));
    let attributes = [
        ("news", notification.news.as_str().to_owned()),
        ("severity", text("/severity")),
        ("rule", text("/rule")),
        ("tenant", notification.tenant.as_str().to_owned()),
    ];
    // SNS refuses empty ones.
    let attributes = attributes.into_iter().filter(|(_, text)| !text.is_empty()).collect();
    Message { subject: subject(notification), text: body(notification), attributes }
}

/// The subject of an e-mail: printable ASCII.
fn subject(notification: &Notification) -> String {
    let title = title(notification);
    let severity = line(notification.text("/severity"));
    let title = if severity.is_empty() { title } else { format!("[{severity}] {title}") };
    let printable = |one: char| if matches!(one, ' '..='~') { one } else { '?' };
    let subject: String = title.chars().map(printable).collect();
    match subject.get(..SUBJECT_CHARS - 3) {
        Some(beginning) if subject.len() > SUBJECT_CHARS => format!("{beginning}..."),
        _ => subject,
    }
}

fn body(notification: &Notification) -> String {
    let (title, summary) = (title(notification), summary(notification));
    let mut lines = vec![cut(&summary, TEXT_CHARS)];
    lines
        .extend(Some(title).filter(|title| *title != summary).map(|title| cut(&title, TEXT_CHARS)));
    lines.extend(retraction(notification).map(|text| cut(&text, TEXT_CHARS)));
    lines.push(String::new());
    let facts = facts(notification).into_iter();
    lines.extend(facts.map(|(name, text)| format!("{name}: {}", cut(&text, TEXT_CHARS))));
    lines.join("\n")
}

#[cfg(test)]
mod tests;
