//! The targets of a tenant: where notifications about its alerts are sent. They are a part of the tenant's document,
//! which operators apply. Secrets are named there, never written.

use serde::{Deserialize, Serialize};

use crate::intake::fault::Faults;

/// Where notifications are sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The name that alert rules use.
    pub id: String,
    /// Whether it is also told that the opening of an alert moved.
    #[serde(default)]
    pub moved: bool,
    /// Whether it gets one notification about the alerts of a backlog, of which it is not told otherwise.
    #[serde(default)]
    pub digest: bool,
    /// What it is.
    #[serde(flatten)]
    pub endpoint: Endpoint,
}

/// A service that takes notifications, and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Endpoint {
    /// A URL that takes Standard Webhooks.
    Webhook {
        /// The URL.
        url: String,
        /// The secret that signs: `whsec_…`.
        secret: SecretName,
        /// Another secret that signs as well, while the secret is replaced.
        previous_secret: Option<SecretName>,
    },
    /// An incoming webhook of Slack.
    Slack {
        /// The secret is the URL.
        secret: SecretName,
    },
    /// An Alertmanager, API v2.
    Alertmanager {
        /// Its address, without `/api/v2/alerts`.
        url: String,
        /// A bearer token.
        secret: Option<SecretName>,
    },
    /// PagerDuty, Events API v2.
    Pagerduty {
        /// The secret is the routing key.
        secret: SecretName,
        /// Another address than PagerDuty's own, such as that of a proxy.
        url: Option<String>,
    },
    /// An SNS topic.
    Sns {
        /// Its ARN.
        topic: String,
    },
    /// An EventBridge bus.
    Eventbridge {
        /// Its name or ARN.
        bus: String,
    },
}

/// Where a secret is stored.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretName {
    /// A secret of AWS Secrets Manager, by its ARN.
    Arn(String),
    /// A file, by its path. Spaces and line breaks around the content are ignored.
    File(String),
}

impl Endpoint {
    /// The word in documents.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Webhook { .. } => "webhook",
            Self::Slack { .. } => "slack",
            Self::Alertmanager { .. } => "alertmanager",
            Self::Pagerduty { .. } => "pagerduty",
            Self::Sns { .. } => "sns",
            Self::Eventbridge { .. } => "eventbridge",
        }
    }

    /// Whether the target forgets an alert that is not sent again while it fires.
    pub const fn forgets(&self) -> bool {
        matches!(self, Self::Alertmanager { .. })
    }
}

/// Checks what a schema cannot say.
pub(super) fn check_all(targets: &[Target], faults: &mut Faults) {
    for (at, target) in targets.iter().enumerate() {
        if targets.iter().take(at).any(|other| other.id == target.id) {
            faults.add(format!("/targets/{at}/id"), "another target has this name");
        }
    }
}
