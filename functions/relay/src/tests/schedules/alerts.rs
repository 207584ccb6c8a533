//! What alerts must be in the end: the episodes of the history, each once, and the same in the feed.

use std::collections::{BTreeMap, BTreeSet};

use drover_core::ledger::read::Question;
use drover_core::outputs::alerts::{Alert, AlertState};
use drover_core::ports::SubjectLocation;
use drover_core::registry::Registry;
use drover_core::subject::alerts::shown::shown;
use drover_core::subject::reader;
use drover_core::view::Specs;
use drover_core::view::rules::{Episode, RuleFold, RuleStates};
use futures_util::FutureExt as _;
use serde_json::Value;

use super::world::World;

fn sorted(mut episodes: Vec<Episode>) -> Vec<Episode> {
    episodes.sort_by_key(|one| (one.rule.clone(), one.opened.clone()));
    episodes
}

impl World {
    pub(super) fn check_alerts(&self) -> Result<(), String> {
        let state = self.memory.state();
        let mut stored: BTreeMap<_, Vec<Alert>> = BTreeMap::new();
        for ((subject, key), bytes) in &state.outputs.alerts {
            let alert = Alert::decode(bytes).ok_or("an alert cannot be read")?;
            if alert.sort_key() != *key {
                return Err(format!("{key}: not the key of {alert:?}"));
            }
            // A target has looked at the latest news.
            let looked_at = state.outputs.looked_at.get(&(alert.id.clone(), "ops".to_owned()));
            if looked_at != Some(&alert.latest.number) {
                return Err(format!("nobody was told to look: {looked_at:?} {alert:?}"));
            }
            stored.entry(subject.clone()).or_default().push(alert);
        }
        let subjects: BTreeSet<String> = state.heads.keys().cloned().collect();
        drop(state);
        for place in subjects {
            let key = drover_core::base::scope::TenantScope::stored_subject(&place);
            let key = key.ok_or_else(|| format!("no subject: {place}"))?;
            let alerts = stored.remove(&key).unwrap_or_default();
            let ids: BTreeSet<&str> = alerts.iter().map(|alert| alert.id.as_str()).collect();
            if ids.len() != alerts.len() {
                return Err(format!("an id is used twice: {alerts:?}"));
            }
            let location = SubjectLocation { key, table: None };
            let expected = self.episodes(&location);
            let held = alerts.iter().filter(|alert| alert.state() != AlertState::Retracted);
            let held = sorted(held.map(|alert| alert.episode.clone()).collect());
            if held != expected {
                return Err(format!("{place}: alerts {held:#?} and not {expected:#?}"));
            }
            self.check_feed(&location, &alerts)?;
        }
        Ok(())
    }

    /// The episodes of the history as it is now.
    fn episodes(&self, location: &SubjectLocation) -> Vec<Episode> {
        let all = Question::History { from: None, to: None };
        let read = reader::read(&self.memory, location, all).now_or_never();
        let (snapshot, _) = read.expect("memory never waits").expect("available");
        let snapshot = snapshot.expect("a subject with a head");
        let (registry, now) = (Registry::new(), self.memory.state().now);
        let versions = Specs::default().missing(snapshot.entries());
        let specs = registry.folded_by(&location.key, &versions, now, &self.memory).now_or_never();
        let specs = specs.expect("memory never waits").expect("available");
        let mut fold = RuleFold::from(RuleStates::default(), None);
        fold.take(snapshot.entries(), &specs);
        let (until, due) =
            (snapshot.head.looked_until, fold.next_look(snapshot.head.looked_until, &specs));
        assert!(due.is_none_or(|due| due > now.plus_seconds(-600)), "nobody looked since {due:?}");
        fold.look(until, &specs);
        sorted(fold.episodes().to_vec())
    }

    /// The last record of each key is the alert as it is stored.
    fn check_feed(&self, location: &SubjectLocation, alerts: &[Alert]) -> Result<(), String> {
        let taken = self.topics.taken.lock().unwrap();
        let records = taken.iter().filter(|(topic, _)| topic == "drover.alerts");
        let last: BTreeMap<&str, &str> = records
            .filter_map(|(_, record)| Some((&*record.key, record.data.as_deref()?)))
            .collect();
        let (registry, now) = (Registry::new(), self.memory.state().now);
        for alert in alerts {
            let shown = shown((&location.key, alert), &registry, now, &self.memory).now_or_never();
            let shown = shown.expect("memory never waits").expect("available");
            let sent = last.get(alert.id.as_str()).ok_or_else(|| format!("not sent: {shown}"))?;
            let sent: Value = serde_json::from_str(sent).expect("JSON");
            if sent != shown {
                return Err(format!("the feed has {sent} and not {shown}"));
            }
        }
        Ok(())
    }
}
