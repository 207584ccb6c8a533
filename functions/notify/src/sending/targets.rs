//! Every kind of target.

use std::fmt;
use std::time::Duration;

use aws_config::SdkConfig;
use drover_core::intake::tenant::{Endpoint, Target};
use drover_core::outputs::notifications::Notification;

use super::eventbridge::Buses;
use super::http::Http;
use super::pace::Pace;
use super::secrets::Secrets;
use super::sns::Topics;
use super::url::Shown;
use super::{Allowed, NotSent, Sender, alertmanager, failed, pagerduty, slack, webhook};

/// How long a try may take, from reading the secret to the answer.
const LIMIT: Duration = Duration::from_secs(15);

/// The part of the time limit that a message may wait for its turn.
const WAITING: u32 = 3;

/// Sends notifications to targets of every kind.
pub struct Targets {
    http: Http,
    secrets: Secrets,
    aws: Option<(Topics, Buses)>,
    pace: Pace,
    limit: Duration,
}

impl fmt::Debug for Targets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { http, limit, .. } = self;
        let mut shown = formatter.debug_struct("Targets");
        shown.field("allowed", &http.allowed).field("limit", limit).finish_non_exhaustive()
    }
}

impl Targets {
    /// Targets with the time limit of a deployment. `sdk`: the settings for SNS, EventBridge and Secrets Manager;
    /// `None`: a target that needs them fails.
    pub fn new(sdk: Option<&SdkConfig>, allowed: Allowed) -> Self {
        Self {
            http: Http::new(allowed, LIMIT),
            secrets: Secrets::new(sdk),
            aws: sdk.map(|sdk| (Topics::new(sdk), Buses::new(sdk))),
            pace: Pace::default(),
            limit: LIMIT,
        }
    }

    /// Targets with another time limit for a try.
    #[must_use]
    pub fn within(self, limit: Duration) -> Self {
        Self { http: Http::new(self.http.allowed, limit), limit, ..self }
    }

    async fn try_once(
        &self,
        endpoint: &Endpoint,
        notification: &Notification,
    ) -> Result<(), NotSent> {
        let now = notification.at;
        let secret = |name| self.secrets.read(name, now);
        let post = match endpoint {
            Endpoint::Webhook { url, secret: name, previous_secret } => {
                let url = self.http.url(url, Shown::Origin)?;
                let mut secrets = vec![secret(name).await?];
                if let Some(name) = previous_secret {
                    secrets.push(secret(name).await?);
                }
                webhook::post(notification, url, &secrets)?
            }
            Endpoint::Slack { secret: name } => {
                let secret = secret(name).await?;
                let url = self.http.url(&secret, Shown::Host)?;
                self.pace.turn(name, self.limit / WAITING).await?;
                slack::post(notification, url, &secret)
            }
            Endpoint::Alertmanager { url, secret: name } => {
                let url = self.http.url(url, Shown::Origin)?;
                let token = match name {
                    Some(name) => Some(secret(name).await?),
                    None => None,
                };
                alertmanager::post(notification, url, token.as_ref())
            }
            Endpoint::Pagerduty { secret: name, url } => {
                let url = self.http.url(url.as_deref().unwrap_or(pagerduty::URL), Shown::Origin)?;
                pagerduty::post(notification, url, &secret(name).await?)
            }
            Endpoint::Sns { topic } => {
                let (topics, _) = self.aws.as_ref().ok_or_else(|| no_aws("SNS"))?;
                return topics.publish(topic, notification).await;
            }
            Endpoint::Eventbridge { bus } => {
                let (_, buses) = self.aws.as_ref().ok_or_else(|| no_aws("EventBridge"))?;
                return buses.put(bus, notification).await;
            }
        };
        self.http.post(&post, now).await
    }
}

impl Sender for Targets {
    async fn send(&self, target: &Target, notification: &Notification) -> Result<(), NotSent> {
        let tried = self.try_once(&target.endpoint, notification);
        tokio::time::timeout(self.limit, tried).await.unwrap_or_else(|_| {
            let (id, kind) = (&target.id, target.endpoint.kind());
            Err(failed(format!("the target did not answer in time: target=`{id}` kind=`{kind}`")))
        })
    }
}

fn no_aws(service: &str) -> NotSent {
    failed(format!("there is no AWS here for the target: service=`{service}`"))
}
