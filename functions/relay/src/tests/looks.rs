//! Who is told to look at an alert, and which alerts are parts of a backlog.

use drover_core::outputs::alerts::News;

use super::*;

/// A rule with two targets, on for readings of -1 and above.
fn told() -> Fixture {
    let fixture = Fixture::new();
    let rule = json!({
        "id": "on", "contract": "mine", "measure": "heat", "when": { "at_least": -1 },
        "targets": ["ops", "am"],
    });
    fixture.put_rule("demo", &rule);
    fixture
}

impl Fixture {
    fn deliver_all(&self) {
        assert_eq!(self.deliver(&self.stream), Vec::<String>::new());
    }

    /// The targets that were told to look since the last call.
    fn looks(&self) -> Vec<String> {
        let looks = std::mem::take(&mut self.memory.state().outputs.looks);
        looks.into_iter().map(|(_, look)| look.target).collect()
    }
}

#[test]
fn the_targets_of_a_rule_look_once_for_each_commit_that_changes_its_alert() {
    let mut fixture = told();
    fixture.commit("demo", "d-1", &[10]);
    fixture.deliver_all();
    assert_eq!(fixture.looks(), ["ops", "am"]);
    // The same commit again: the relay may have died before it told them.
    fixture.deliver_all();
    assert_eq!(fixture.looks(), ["ops", "am"]);
    // An event that changes nothing about the alert.
    fixture.commit("demo", "d-1", &[20]);
    let last = fixture.stream.last().unwrap().clone();
    assert_eq!(fixture.deliver(&[last]), Vec::<String>::new());
    assert_eq!(fixture.looks(), Vec::<String>::new());
}

/// A day of readings that comes late: an alert that opened and closed in it is recorded, and its targets learn that it
/// is a part of a backlog. The alert of what comes now is not.
#[test]
fn an_alert_of_a_backlog_says_so() {
    let mut fixture = told();
    for time in [-86_400, -86_390, 10] {
        fixture.commit("demo", "d-1", &[time]);
        fixture.deliver_all();
    }
    let mut alerts = fixture.alerts();
    alerts.sort_by(|one, other| one.id.cmp(&other.id));
    let found: Vec<(News, bool)> =
        alerts.iter().map(|alert| (alert.latest.news, alert.latest.is_old)).collect();
    assert_eq!(found, [(News::Resolved, true), (News::Opened, false)]);
}

/// Nobody would know of an alert after it is gone: its targets are told to look before, and a minute later.
#[test]
fn the_targets_of_an_alert_that_goes_look_at_it_also_if_the_relay_stops_in_between() {
    let mut fixture = told();
    fixture.commit("demo", "d-1", &[10]);
    fixture.deliver_all();
    fixture.looks();
    fixture.forget();
    let last = fixture.stream.last().unwrap().clone();
    // The deletion is done, and its answer is lost.
    fixture
        .memory
        .fail(|call| if call == Call::AlertWrite { Fault::LostAfter } else { Fault::None });
    assert_eq!(fixture.deliver(std::slice::from_ref(&last)).len(), 1);
    let late = second(1_060);
    assert!(fixture.memory.state().outputs.looks.iter().all(|(due, _)| *due == late));
    assert_eq!(fixture.looks(), ["ops", "am"]);
    assert!(fixture.alerts().is_empty());
    fixture.memory.fail_nothing();
    assert_eq!(fixture.deliver(&[last]), Vec::<String>::new());
}
