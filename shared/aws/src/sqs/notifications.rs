//! The queue of notifications. The message group is the target, so that a fair queue serves a quiet target before the
//! backlog of a slow one.

use drover_core::base::dependency::Dependency;
use drover_core::base::error::{Reason, Unavailable};
use drover_core::dead_letter::sending::Sent;
use drover_core::outputs::notifications::Look;
use drover_core::ports::Notifications;

use super::{Outgoing, SqsQueue};
use crate::Aws;
use crate::calls::unavailable;

impl Notifications for Aws {
    async fn send_looks(&self, looks: &[Look], delay_seconds: u32) -> Result<(), Unavailable> {
        let mut texts = Vec::with_capacity(looks.len());
        for look in looks {
            texts.push((look.body()?, look.group()));
        }
        let delay = i32::try_from(delay_seconds).ok().filter(|seconds| *seconds > 0);
        let outgoing =
            texts.iter().map(|(body, group)| Outgoing { body, group, deduplication: None, delay });
        let outgoing: Vec<Outgoing<'_>> = outgoing.collect();
        for sent in self.notifications()?.send_all(&outgoing).await {
            match sent {
                Sent::Taken => {}
                Sent::Refused(unavailable) | Sent::NotTaken(unavailable) => {
                    return Err(unavailable);
                }
            }
        }
        Ok(())
    }

    async fn postpone(&self, receipt_handle: &str, seconds: u32) -> Result<(), Unavailable> {
        let queue = self.notifications()?;
        let sent = queue
            .client
            .change_message_visibility()
            .queue_url(queue.url)
            .receipt_handle(receipt_handle)
            .visibility_timeout(i32::try_from(seconds).unwrap_or(i32::MAX))
            .send()
            .await;
        let failed = |error| unavailable("postponing a message", &error).of(queue.dependency);
        sent.map(drop).map_err(failed)
    }
}

impl Aws {
    fn notifications(&self) -> Result<SqsQueue<'_>, Unavailable> {
        let dependency = Dependency::NotificationsQueue;
        let url = self.config.notifications_queue_url.as_deref().ok_or_else(|| {
            let message = "this function has no queue of notifications";
            Unavailable::new(Reason::Bug, message).of(dependency)
        })?;
        Ok(SqsQueue { dependency, client: &self.sqs, url })
    }
}
