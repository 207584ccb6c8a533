//! A queue's name and settings, validated as SQS does.
//!
//! Setting an attribute that this server does not support is rejected as unknown: a queue that
//! silently lacks encryption or a policy would be worse.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::Deserialize;

use super::rejection::Rejection;

/// The largest message, and the largest sum of a batch, in bytes.
pub(super) const MAXIMUM_BYTES: u32 = 1024 * 1024;

const ACCOUNT: &str = "000000000000";
const ARN_PREFIX: &str = "arn:aws:sqs:us-east-1:000000000000:";

/// The name of a standard queue: 1 to 80 letters, digits, hyphens or underscores.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueName(String);

impl QueueName {
    /// Parses a name.
    ///
    /// # Errors
    /// The name is invalid for a standard queue.
    pub fn parse(name: &str) -> Result<Self, Rejection> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if name.is_empty() || name.len() > 80 || !name.bytes().all(plain) {
            return Err(Rejection::InvalidParameterValue(
                "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in \
                 length."
                    .to_owned(),
            ));
        }
        Ok(Self(name.to_owned()))
    }

    /// Takes the name from a queue's URL. The host is ignored, because the server may have several
    /// names.
    pub(super) fn from_url(url: &str) -> Result<Self, Rejection> {
        let name = url.rsplit('/').next().unwrap_or_default();
        Self::parse(name).map_err(|_| Rejection::QueueDoesNotExist)
    }

    /// Takes the name from a queue's ARN. Region and account are ignored, because the server has
    /// only one of each.
    pub(super) fn from_arn(arn: &str) -> Option<Self> {
        let mut parts = arn.strip_prefix("arn:aws:sqs:")?.splitn(3, ':').skip(2);
        parts.next().and_then(|name| Self::parse(name).ok())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn url(&self, host: &str) -> String {
        format!("http://{host}/{ACCOUNT}/{}", self.0)
    }

    /// The ARN, in the server's only region and account.
    pub fn arn(&self) -> String {
        format!("{ARN_PREFIX}{}", self.0)
    }
}

/// The settings of a queue. The defaults are SQS's.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueSettings {
    /// How long a received message stays hidden, up to 12 hours.
    pub visibility_timeout_seconds: u32,
    /// How long a message is kept after it was sent, 60 seconds to 14 days.
    pub retention_seconds: u32,
    /// How long a sent message stays hidden, up to 15 minutes.
    pub delay_seconds: u32,
    /// How long a receive waits by default, up to 20 seconds.
    pub receive_wait_seconds: u32,
    /// The maximum size of body and attributes of one message, 1 KiB to 1 MiB.
    pub maximum_message_bytes: u32,
    /// Where messages go after too many receives.
    pub redrive: Option<Redrive>,
}

/// The redrive policy: how many receives are too many, and where the message goes then.
#[derive(Clone, Debug, PartialEq)]
pub struct Redrive {
    /// The queue that receives the message.
    pub dead_letter_queue: QueueName,
    /// The number of receives after which a due message moves, 1 to 1000.
    pub max_receive_count: u32,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self {
            visibility_timeout_seconds: 30,
            retention_seconds: 4 * 24 * 60 * 60,
            delay_seconds: 0,
            receive_wait_seconds: 0,
            maximum_message_bytes: MAXIMUM_BYTES,
            redrive: None,
        }
    }
}

impl QueueSettings {
    /// These settings with the given attributes changed.
    pub(super) fn with(mut self, attributes: &BTreeMap<String, String>) -> Result<Self, Rejection> {
        for (name, value) in attributes {
            match name.as_str() {
                "VisibilityTimeout" => {
                    self.visibility_timeout_seconds = number(name, value, 0..=43_200)?;
                }
                "MessageRetentionPeriod" => {
                    self.retention_seconds = number(name, value, 60..=1_209_600)?;
                }
                "DelaySeconds" => self.delay_seconds = number(name, value, 0..=900)?,
                "ReceiveMessageWaitTimeSeconds" => {
                    self.receive_wait_seconds = number(name, value, 0..=20)?;
                }
                "MaximumMessageSize" => {
                    self.maximum_message_bytes = number(name, value, 1024..=MAXIMUM_BYTES)?;
                }
                "RedrivePolicy" => self.redrive = redrive(value)?,
                _ => return Err(Rejection::InvalidAttributeName(name.clone())),
            }
        }
        Ok(self)
    }

    /// The settings as SQS's attributes.
    pub(super) fn attributes(&self) -> BTreeMap<&'static str, String> {
        let mut attributes = BTreeMap::from([
            ("VisibilityTimeout", self.visibility_timeout_seconds.to_string()),
            ("MessageRetentionPeriod", self.retention_seconds.to_string()),
            ("DelaySeconds", self.delay_seconds.to_string()),
            ("ReceiveMessageWaitTimeSeconds", self.receive_wait_seconds.to_string()),
            ("MaximumMessageSize", self.maximum_message_bytes.to_string()),
        ]);
        if let Some(redrive) = &self.redrive {
            let policy = serde_json::json!({
                "deadLetterTargetArn": redrive.dead_letter_queue.arn(),
                "maxReceiveCount": redrive.max_receive_count,
            });
            attributes.insert("RedrivePolicy", policy.to_string());
        }
        attributes
    }
}

/// Whether SQS knows the attribute although this server never sets it.
pub(super) fn is_never_set(attribute: &str) -> bool {
    matches!(
        attribute,
        "Policy"
            | "RedrivePolicy"
            | "RedriveAllowPolicy"
            | "KmsMasterKeyId"
            | "KmsDataKeyReusePeriodSeconds"
            | "SqsManagedSseEnabled"
            | "FifoQueue"
            | "ContentBasedDeduplication"
            | "DeduplicationScope"
            | "FifoThroughputLimit"
    )
}

fn number(name: &str, value: &str, allowed: RangeInclusive<u32>) -> Result<u32, Rejection> {
    let number = value.parse().ok().filter(|number| allowed.contains(number));
    number.ok_or_else(|| Rejection::InvalidAttributeValue(name.to_owned()))
}

/// The JSON inside the attribute `RedrivePolicy`. Tools send the count as a number or as a string.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RedrivePolicy {
    dead_letter_target_arn: String,
    max_receive_count: serde_json::Value,
}

/// An empty policy removes the redrive.
fn redrive(policy: &str) -> Result<Option<Redrive>, Rejection> {
    if policy.is_empty() {
        return Ok(None);
    }
    let invalid = || Rejection::InvalidAttributeValue("RedrivePolicy".to_owned());
    let policy: RedrivePolicy = serde_json::from_str(policy).map_err(|_| invalid())?;
    let count = match &policy.max_receive_count {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Ok(Some(Redrive {
        dead_letter_queue: QueueName::from_arn(&policy.dead_letter_target_arn)
            .ok_or_else(invalid)?,
        max_receive_count: number("RedrivePolicy", &count, 1..=1000)?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_survive_conversion_to_attributes_and_back() {
        let redrive =
            Redrive { dead_letter_queue: QueueName::parse("dead").unwrap(), max_receive_count: 7 };
        let settings = QueueSettings {
            visibility_timeout_seconds: 1,
            retention_seconds: 61,
            delay_seconds: 3,
            receive_wait_seconds: 4,
            maximum_message_bytes: 2048,
            redrive: Some(redrive),
        };
        let attributes = settings.attributes();
        let attributes = attributes.into_iter().map(|(name, value)| (name.to_owned(), value));
        assert_eq!(QueueSettings::default().with(&attributes.collect()), Ok(settings));
    }

    #[test]
    fn a_queue_is_identified_by_the_last_part_of_its_url_and_arn() {
        let orders = QueueName::parse("orders").unwrap();
        assert_eq!(QueueName::from_url("https://sqs.example:1/9/orders"), Ok(orders.clone()));
        assert_eq!(QueueName::from_arn("arn:aws:sqs:eu-west-1:9:orders"), Some(orders.clone()));
        assert_eq!(QueueName::from_arn(&orders.arn()), Some(orders));
        assert_eq!(QueueName::from_arn("orders"), None);
    }

    #[test]
    fn out_of_range_and_unknown_attributes_are_rejected() {
        let set = |name: &str, value: &str| {
            let attributes = BTreeMap::from([(name.to_owned(), value.to_owned())]);
            QueueSettings::default().with(&attributes)
        };
        let invalid = |name: &str| Err(Rejection::InvalidAttributeValue(name.to_owned()));
        assert_eq!(set("VisibilityTimeout", "43201"), invalid("VisibilityTimeout"));
        assert_eq!(set("DelaySeconds", "soon"), invalid("DelaySeconds"));
        assert_eq!(set("RedrivePolicy", "{}"), invalid("RedrivePolicy"));
        let unknown = Err(Rejection::InvalidAttributeName("FifoQueue".to_owned()));
        assert_eq!(set("FifoQueue", "true"), unknown);
    }
}
