//! The alert of a message, as it is now.

use drover_core::base::cost::Units;
use drover_core::base::error::{Reason, Unavailable};
use drover_core::base::id::{SubjectId, SubjectKey};
use drover_core::base::scope::TenantScope;
use drover_core::base::time::Timestamp;
use drover_core::intake::rules::Notify as When;
use drover_core::intake::tenant::Tenant;
use drover_core::ledger::codec::decode_head;
use drover_core::outputs::alerts::{Alert, News};
use drover_core::outputs::notifications::Look;
use drover_core::outputs::notifications::decision::Standing;
use drover_core::outputs::notifications::deliveries::Deliveries;
use drover_core::outputs::notifications::simulated::Simulated;
use drover_core::outputs::notifications::told::Content;
use drover_core::ports::SubjectLocation;
use drover_core::subject::alerts::shown::shown;
use serde_json::{Value, json};

use crate::sending::Sender;
use crate::{Notify, NotifyPorts};

/// What a message is about.
pub(crate) enum About {
    /// An alert of a subject.
    Alert(SubjectKey, Box<Alert>),
    /// A simulated alert.
    Simulated(Simulated),
    /// The alert is gone.
    Gone,
}

impl<W: NotifyPorts, S: Sender> Notify<W, S> {
    /// What a message is about. Reads alerts strongly consistent: 1 read unit for each 4 KB.
    pub(crate) async fn about(
        &self,
        (look, scope): (&Look, &TenantScope),
        deliveries: &Deliveries,
        units: &mut Units,
    ) -> Result<About, Unavailable> {
        let Some(subject) = &look.subject else {
            return Ok(deliveries.simulated()?.map_or(About::Gone, About::Simulated));
        };
        let subject = SubjectId::parse(subject)
            .map_err(|rejection| Unavailable::new(Reason::Bug, rejection.message))?;
        let key = scope.subject(subject);
        // An alert that was resolved ended after it had first opened, unless a late event moved all of it.
        for closed_from in [look.alert.first_opened_at(), Timestamp::MIN] {
            let read = self.ports.alerts(&key, closed_from).await?;
            *units += read.units;
            let mut alerts = read.answer.alerts.into_iter();
            if let Some(alert) = alerts.find(|alert| alert.id == look.alert) {
                return Ok(About::Alert(key, Box::new(alert)));
            }
        }
        Ok(About::Gone)
    }

    /// How it stands. `None`: it is gone. May read the head of the subject.
    pub(crate) async fn standing(
        &self,
        about: &About,
        tenant: &Tenant,
        units: &mut Units,
    ) -> Result<Option<Standing>, Unavailable> {
        let now = self.ports.now();
        let (key, alert) = match about {
            About::Gone => return Ok(None),
            About::Simulated(simulated) => return Ok(Some(simulated.standing(now))),
            About::Alert(key, alert) => (key, alert),
        };
        let is_snoozed = alert.acts.snoozed.as_ref().is_some_and(|snooze| snooze.until > now);
        let rules = self.registry.rules_of(&tenant.id, now, &self.ports).await?;
        let rules = rules.as_deref().and_then(|rules| rules.document(alert.episode.version));
        let rule = rules.and_then(|rules| rules.rule(&alert.episode.rule));
        let waits = rule.is_some_and(|(rule, _)| rule.notify == When::Settled);
        let settles_in =
            if waits { self.settles_in((key, alert), tenant, units).await? } else { None };
        let latest = alert.latest;
        Ok(Some(Standing {
            news: latest.news,
            number: latest.number,
            is_old: latest.is_old,
            is_paused: is_snoozed || alert.acts.disabled.is_some(),
            settles_in,
            content: Content {
                severity: alert.episode.severity,
                is_acknowledged: alert.acts.acknowledged.is_some(),
            },
        }))
    }

    /// After how many seconds the opening of an alert is settled at the latest; `None`: it is, because no event before
    /// it is expected any more. The events of a subject that fell silent count as settled after a time.
    async fn settles_in(
        &self,
        (key, alert): (&SubjectKey, &Alert),
        tenant: &Tenant,
        units: &mut Units,
    ) -> Result<Option<i64>, Unavailable> {
        let opened_at = alert.episode.opened.at;
        let idle_seconds =
            i64::from(tenant.lateness_seconds) + i64::from(tenant.feeds.idle_seconds);
        let left =
            opened_at.plus_seconds(idle_seconds).whole_seconds() - self.ports.now().whole_seconds();
        if left < 0 {
            return Ok(None);
        }
        let location = SubjectLocation { key: key.clone(), table: tenant.placement.table() };
        let read = self.ports.head(&location).await?;
        *units += read.units;
        let Some(stored) = read.answer else { return Ok(None) };
        let head = decode_head(&stored.bytes)
            .map_err(|_| Unavailable::new(Reason::Corrupt, "invalid stored head"))?;
        let until = match alert.episode.opened.event {
            Some(_) => head.released,
            None => head.looked_until,
        };
        Ok(until.is_none_or(|until| until < opened_at).then_some(left))
    }

    /// The alert as the API shows it.
    pub(crate) async fn shown(
        &self,
        about: &About,
        (look, news): (&Look, News),
    ) -> Result<Value, Unavailable> {
        let now = self.ports.now();
        match about {
            About::Simulated(simulated) => Ok(simulated.to_json(now)),
            About::Alert(key, alert) => shown((key, alert), &self.registry, now, &self.ports).await,
            // Nothing of it is kept.
            About::Gone => Ok(json!({
                "id": look.alert.as_str(), "state": news.as_str(), "severity": "info", "rule": "",
                "subject": { "kind": "", "id": "" }, "labels": {}, "cause": null, "value": null,
                "opened_at": look.alert.first_opened_at(), "closed_at": null,
                "summary": "nothing of this alert is kept: its subject was forgotten, or it expired",
            })),
        }
    }
}
