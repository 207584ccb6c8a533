//! Which alert an episode takes over, and that alerts end as the episodes do.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::base::id::{Kind, SubjectId, TenantId};
use crate::base::scope::TenantScope;
use crate::base::severity::Severity;
use crate::outputs::alerts::AlertState;
use crate::outputs::alerts::acting::Refusal;
use crate::outputs::alerts::acts::{Act, Remark};
use crate::outputs::alerts::latest::Backlog;
use crate::view::rules::{Ending, Moment};

const DAY: i64 = 24 * 60 * 60;

fn second(at: i64) -> Timestamp {
    Timestamp::from_micros(0).expect("in range").plus_seconds(at)
}

fn subject() -> SubjectKey {
    let scope = TenantScope::by_operator(TenantId::parse("demo").expect("a tenant"));
    scope.subject(SubjectId::new(Kind::parse("device").expect("a kind"), "d-1").expect("an id"))
}

fn episode(rule: &str, opened: i64, closed: Option<i64>) -> Episode {
    Episode {
        rule: Arc::from(rule),
        version: 1,
        opened: Moment::time(second(opened)),
        closed: closed.map(|at| (Moment::time(second(at)), Ending::Cleared)),
        severity: Severity::Warning,
        value: None,
    }
}

/// The alerts of a subject, as a table would hold them.
#[derive(Default)]
struct Stored {
    alerts: Vec<Alert>,
    version: u64,
}

impl Stored {
    /// Takes the episodes of the history from a second on, and returns the number of changes.
    fn learn(&mut self, from: Option<i64>, episodes: &[Episode]) -> usize {
        self.version += 1;
        let known = KnownEpisodes {
            from: from.map(second),
            last_at: Some(second(1_000)),
            episodes: episodes.to_vec(),
            seen_by: CommitId { era: 0, version: self.version },
            cause: Cause::History,
            backlog: Backlog::default(),
        };
        let is_read = |alert: &&Alert| alert.closed_at().is_none_or(|at| at >= known.closed_from());
        let read = self.alerts.iter().filter(is_read).cloned().collect();
        let writes = known.reconcile(
            &subject(),
            read,
            (&|episode| *episode.rule == *"latching", second(2_000)),
        );
        for write in &writes {
            self.alerts.retain(|alert| Some(alert) != write.old.as_ref());
            self.alerts.extend(write.new.clone());
        }
        writes.len()
    }

    fn ids(&self, state: AlertState) -> Vec<&str> {
        let mut found: Vec<&Alert> =
            self.alerts.iter().filter(|one| one.state() == state).collect();
        found.sort_by_key(|alert| alert.episode.opened.clone());
        found.iter().map(|alert| alert.id.as_str()).collect()
    }
}

#[test]
fn an_episode_that_moves_stays_the_same_alert() {
    let mut stored = Stored::default();
    assert_eq!(stored.learn(None, &[episode("r", 10, None)]), 1);
    let id = stored.alerts[0].id.clone();
    assert_eq!(stored.learn(Some(5), &[episode("r", 5, Some(30))]), 1);
    assert_eq!(stored.learn(Some(5), &[episode("r", 5, Some(30))]), 0, "nothing changed");
    assert_eq!(stored.alerts[0].id, id);
    assert_eq!(stored.alerts[0].state(), AlertState::Resolved);
}

#[test]
fn a_division_leaves_the_id_to_the_first_part_and_a_merge_to_the_first_alert() {
    let mut stored = Stored::default();
    stored.learn(None, &[episode("r", 10, Some(40))]);
    let whole = stored.alerts[0].id.clone();
    stored.learn(Some(20), &[episode("r", 10, Some(20)), episode("r", 30, Some(40))]);
    let parts = stored.ids(AlertState::Resolved);
    assert_eq!((parts.len(), parts[0]), (2, whole.as_str()));
    stored.learn(Some(20), &[episode("r", 10, Some(40))]);
    assert_eq!(stored.ids(AlertState::Resolved), [whole.as_str()]);
    assert_eq!(stored.ids(AlertState::Retracted).len(), 1);
}

#[test]
fn an_alert_that_comes_back_has_its_id_again() {
    let mut stored = Stored::default();
    stored.learn(None, &[episode("r", 10, Some(40))]);
    let id = stored.alerts[0].id.clone();
    stored.learn(Some(10), &[]);
    assert_eq!(stored.ids(AlertState::Retracted), [id.as_str()]);
    stored.learn(Some(10), &[episode("r", 20, None)]);
    assert_eq!(stored.ids(AlertState::Firing), [id.as_str()]);
    assert_eq!(stored.alerts.len(), 1);
}

fn acted(stored: &mut Stored, act: Act) -> Result<(), Refusal> {
    let remark = Remark { by: "key:1".into(), at: second(1_500), note: "on it".into() };
    let alert = stored.alerts.first_mut().expect("an alert");
    *alert = alert.acted(act, remark, CommitId::default())?;
    Ok(())
}

#[test]
fn a_latched_alert_fires_until_a_person_closes_it() {
    let mut stored = Stored::default();
    stored.learn(None, &[episode("latching", 10, None)]);
    assert_eq!(acted(&mut stored, Act::Close), Err(Refusal::StillHolds));
    stored.learn(Some(20), &[episode("latching", 10, Some(40))]);
    let alert = &stored.alerts[0];
    assert_eq!((alert.state(), alert.is_latched()), (AlertState::Firing, true));
    assert_eq!((alert.closed_at(), alert.expires_at()), (None, None));
    assert_eq!(stored.learn(Some(500), &[]), 0, "its episode lies before what is known");
    acted(&mut stored, Act::Close).expect("it is latched");
    let alert = &stored.alerts[0];
    assert_eq!((alert.state(), alert.closed_at()), (AlertState::Resolved, Some(second(40))));
    let expires_at = second(1_500).plus_seconds(90 * DAY).whole_seconds();
    assert_eq!(alert.expires_at(), Some(expires_at), "it is kept from the act on");
    let closed = alert.clone();
    acted(&mut stored, Act::Close).expect("a repetition changes nothing");
    assert_eq!(stored.alerts[0], closed);
}

#[test]
fn an_alert_that_a_person_closed_is_latched_anew_after_a_late_event_opened_it_again() {
    let mut stored = Stored::default();
    stored.learn(None, &[episode("latching", 10, Some(40))]);
    acted(&mut stored, Act::Close).expect("it is latched");
    stored.learn(Some(20), &[episode("latching", 10, Some(30))]);
    assert_eq!(stored.ids(AlertState::Resolved).len(), 1, "another end is no new episode");
    stored.learn(Some(20), &[episode("latching", 10, None)]);
    stored.learn(Some(20), &[episode("latching", 10, Some(50))]);
    assert!(stored.alerts[0].is_latched());
}

#[test]
fn what_a_person_did_stays_while_the_alert_changes() {
    let mut stored = Stored::default();
    stored.learn(None, &[episode("r", 10, None)]);
    assert_eq!(acted(&mut stored, Act::Close), Err(Refusal::NotLatching));
    acted(&mut stored, Act::Acknowledge).expect("it is firing");
    acted(&mut stored, Act::Snooze(second(3_000))).expect("it is firing");
    acted(&mut stored, Act::Disable).expect("it is firing");
    let acts = stored.alerts[0].acts.clone();
    assert!(acts.acknowledged.is_some() && acts.snoozed.is_some() && acts.disabled.is_some());
    for episodes in [vec![episode("r", 5, None)], vec![], vec![episode("r", 5, Some(40))]] {
        stored.learn(None, &episodes);
        assert_eq!(stored.alerts[0].acts, acts, "{episodes:?}");
    }
    for act in [Act::Acknowledge, Act::Snooze(second(3_000)), Act::Disable, Act::Enable, Act::Close]
    {
        assert_eq!(acted(&mut stored, act), Err(Refusal::Over(AlertState::Resolved)), "{act:?}");
    }
    stored.learn(None, &[episode("r", 5, None)]);
    acted(&mut stored, Act::Enable).expect("it is firing");
    let enabled = &stored.alerts[0].acts;
    assert_eq!((&enabled.snoozed, &enabled.disabled), (&None, &None));
    assert_eq!(enabled.acknowledged, acts.acknowledged);
}

#[test]
fn another_rule_and_another_time_are_another_alert() {
    let mut stored = Stored::default();
    stored.learn(None, &[episode("r", 10, Some(40))]);
    stored.learn(Some(10), &[episode("r", 40, Some(50)), episode("s", 10, Some(40))]);
    assert_eq!(stored.alerts.len(), 3);
    assert_eq!(stored.ids(AlertState::Retracted).len(), 1);
}

#[test]
fn an_alert_that_was_open_when_it_was_taken_back_does_not_reach_into_the_future() {
    let mut stored = Stored::default();
    stored.learn(None, &[episode("r", 10, None)]);
    stored.learn(Some(10), &[]);
    stored.learn(Some(1_001), &[episode("r", 1_001, None)]);
    assert_eq!(stored.alerts.len(), 2);
}

#[test]
fn an_end_before_the_part_that_is_known_is_found() {
    let mut stored = Stored::default();
    stored.learn(None, &[episode("quiet", 10, None), episode("r", 20, Some(25))]);
    // An event at 100 shows that it ended at 30.
    assert_eq!(stored.learn(Some(100), &[episode("quiet", 10, Some(30))]), 1);
    assert_eq!(stored.learn(Some(100), &[episode("quiet", 10, Some(30))]), 0);
    assert_eq!(stored.ids(AlertState::Resolved).len(), 2, "the other rule is left alone");
}

#[test]
fn what_would_have_expired_becomes_no_alert() {
    let mut stored = Stored::default();
    assert_eq!(stored.learn(None, &[episode("r", -91 * DAY, Some(-90 * DAY + 1_999))]), 0);
    assert_eq!(stored.learn(None, &[episode("r", -91 * DAY, Some(-90 * DAY + 2_001))]), 1);
}

/// Episodes of a rule: lengths and gaps, one after the other; the last may be open.
fn an_episode_list(rule: &'static str, from: i64) -> impl Strategy<Value = Vec<Episode>> {
    let parts = prop::collection::vec((0i64..4, 1i64..5), 0..5);
    (parts, any::<bool>()).prop_map(move |(parts, is_open)| {
        let (mut at, mut episodes) = (from, Vec::new());
        for (gap, length) in parts {
            episodes.push(episode(rule, at + gap, Some(at + gap + length)));
            at += gap + length;
        }
        if let (true, Some(last)) = (is_open, episodes.last_mut()) {
            last.closed = None;
        }
        episodes
    })
}

proptest! {
    #[test]
    fn alerts_end_as_the_episodes_do(
        histories in prop::collection::vec(
            (0i64..20, an_episode_list("a", 0), an_episode_list("b", 0)), 1..8
        )
    ) {
        let (mut stored, mut kept) = (Stored::default(), Vec::<Episode>::new());
        for (from, a, b) in histories {
            // What closed before stays; what is known is everything else.
            let closed = |one: &Episode| one.closed.as_ref().map(|(moment, _)| moment.at);
            kept.retain(|one| closed(one).is_some_and(|at| at < second(from)));
            let new = [a, b].concat().into_iter().filter(|one| {
                let is_later = closed(one).is_none_or(|at| at >= second(from));
                let of_rule = kept.iter().filter(|before| before.rule == one.rule);
                is_later && of_rule.filter_map(closed).all(|end| end <= one.opened.at)
            });
            let known: Vec<Episode> = new.collect();
            stored.learn(Some(from), &known);
            kept.extend(known.iter().cloned());
            let live = stored.alerts.iter().filter(|alert| alert.retracted.is_none());
            let mut live: Vec<Episode> = live.map(|alert| alert.episode.clone()).collect();
            let order = |one: &Episode| (one.rule.clone(), one.opened.clone());
            live.sort_by_key(order);
            kept.sort_by_key(order);
            prop_assert_eq!(&live, &kept);
            let mut ids: Vec<&str> = stored.alerts.iter().map(|one| one.id.as_str()).collect();
            ids.sort_unstable();
            prop_assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "an id twice: {ids:?}");
            prop_assert_eq!(stored.learn(Some(from), &known), 0, "the same again changes nothing");
        }
    }
}
