//! Alerts of a subject that is forgotten: consumers hear of it before the alerts are gone, and only alerts of what came
//! since stay.

use drover_core::ledger::StoredHead;
use drover_core::outputs::alerts::{Alert, AlertState};
use drover_core::subject::forget::forget;

use super::fixture::change;
use super::*;

pub(super) const PLACE: &str = "T#demo#S#device#d-1";

/// A tenant with a rule that is on from the first event on.
pub(super) fn watched() -> Fixture {
    let fixture = Fixture::new();
    let tenant = r#"{"id":"demo","feeds":["alerts"],"lateness_seconds":0}"#;
    fixture.memory.put_document("T#demo", tenant);
    let rule = json!({
        "id": "on", "contract": "mine", "measure": "heat", "when": { "at_least": 0 },
    });
    fixture.put_rule("demo", &rule);
    fixture
}

impl Fixture {
    pub(super) fn head(&self) -> StoredHead {
        self.memory.state().heads[PLACE].clone()
    }

    pub(super) fn forget(&mut self) {
        let old = self.head();
        let key = drover_core::base::scope::TenantScope::stored_subject(PLACE).unwrap();
        let location = SubjectLocation { key, table: None };
        let forgotten = forget(&self.memory, &location).now_or_never();
        forgotten.expect("memory never waits").expect("available");
        let number = self.stream.len().to_string();
        self.stream.push(change(PLACE, &number, Some(&old), &self.head()));
    }

    pub(super) fn alerts(&self) -> Vec<Alert> {
        let state = self.memory.state();
        state.outputs.alerts.values().map(|bytes| Alert::decode(bytes).unwrap()).collect()
    }

    /// The keys of the records of alerts since the last call, and whether each has data.
    fn told(&self) -> Vec<(String, bool)> {
        let records = std::mem::take(&mut *self.topics.records.lock().unwrap());
        let of_alerts = records.into_iter().filter(|(topic, _)| topic == "drover.alerts");
        of_alerts.map(|(_, record)| (record.key, record.data.is_some())).collect()
    }
}

#[test]
fn an_alert_goes_after_its_consumers_were_told() {
    let mut fixture = watched();
    fixture.commit("demo", "d-1", &[10]);
    assert_eq!(fixture.deliver(&fixture.stream), Vec::<String>::new());
    let id = fixture.alerts()[0].id.as_str().to_owned();
    assert_eq!(fixture.told(), [(id.clone(), true)]);

    fixture.forget();
    fixture.answer(|_, _| Err(down()));
    assert_eq!(fixture.deliver(&fixture.stream[1..]), ["1"]);
    assert_eq!(fixture.alerts().len(), 1, "nobody was told yet");
    fixture.answer(|_, _| Ok(()));
    fixture.memory.fail(|call| match call {
        Call::AlertWrite => Fault::Refused,
        _ => Fault::None,
    });
    assert_eq!(fixture.deliver(&fixture.stream[1..]), ["1"]);
    assert_eq!((fixture.told(), fixture.alerts().len()), (vec![(id.clone(), false)], 1));
    fixture.memory.fail_nothing();
    assert_eq!(fixture.deliver(&fixture.stream[1..]), Vec::<String>::new());
    assert_eq!((fixture.told(), fixture.alerts()), (vec![(id, false)], Vec::new()));
}

#[test]
fn an_alert_of_what_came_since_stays_however_often_and_together_the_changes_come() {
    let mut fixture = watched();
    fixture.commit("demo", "d-1", &[10]);
    let first = fixture.head();
    assert_eq!(fixture.deliver(&fixture.stream), Vec::<String>::new());
    let forgotten = fixture.alerts()[0].id.clone();
    fixture.forget();
    fixture.commit("demo", "d-1", &[20]);
    let check = |fixture: &Fixture| {
        let alerts = fixture.alerts();
        assert_eq!(alerts.len(), 1, "{alerts:?}");
        assert_eq!(
            (alerts[0].state(), alerts[0].episode.opened.at),
            (AlertState::Firing, second(20))
        );
        alerts[0].id.clone()
    };
    // The commit that forgot it is missing.
    let gap = change(PLACE, "3", Some(&first), &fixture.head());
    assert_eq!(fixture.deliver(&[gap]), Vec::<String>::new());
    let id = check(&fixture);
    assert_ne!(id, forgotten);
    for _ in 0..2 {
        assert_eq!(fixture.deliver(&fixture.stream[1..]), Vec::<String>::new());
        assert_eq!(check(&fixture), id);
    }
    // A change of before comes again.
    assert_eq!(fixture.deliver(&fixture.stream), Vec::<String>::new());
    assert_eq!(check(&fixture), id);
}
