//! What people do about an alert is sent to the feed, also what takes it back, and once more when a pause is over.

use drover_core::base::cost::Units;
use drover_core::base::limits::ItemLimits;
use drover_core::intake::tenant::Tenant;
use drover_core::outputs::alerts::acts::{Act, Remark};
use drover_core::registry::Registry;
use drover_core::subject::alerts::act::act;

use super::fixture::change;
use super::forgetting::{PLACE, watched};
use super::*;

impl Fixture {
    /// A person acts on the only alert; the change of the head is delivered.
    fn act(&mut self, done: Act) {
        let old = self.head();
        let key = drover_core::base::scope::TenantScope::stored_subject(PLACE).unwrap();
        let scope = drover_core::base::scope::TenantScope::by_operator(key.tenant().clone());
        let document = json!({ "id": "demo", "feeds": ["alerts"], "lateness_seconds": 0 });
        let tenant = Tenant::check(&document).unwrap();
        let id = self.alerts()[0].id.clone();
        let remark = Remark { by: "key:1".into(), at: second(1_000), note: "on it".into() };
        let (registry, mut units) = (Registry::new(), Units::default());
        let limits = ItemLimits::STANDARD;
        let by = (&self.memory, &registry);
        let acted = act(by, (&scope, &tenant), &id, (done, remark), limits, &mut units);
        acted.now_or_never().expect("memory never waits").expect("it is firing");
        let number = self.stream.len().to_string();
        self.stream.push(change(PLACE, &number, Some(&old), &self.head()));
        self.deliver_last();
    }

    fn deliver_last(&self) {
        let last = self.stream.last().unwrap().clone();
        assert_eq!(self.deliver(&[last]), Vec::<String>::new());
    }

    /// The alerts that were sent since the last call.
    fn told_of(&self) -> Vec<Value> {
        let records = std::mem::take(&mut *self.topics.records.lock().unwrap());
        let of_alerts = records.into_iter().filter(|(topic, _)| topic == "drover.alerts");
        of_alerts.map(|(_, it)| serde_json::from_str(&it.data.unwrap()).unwrap()).collect()
    }
}

#[test]
fn every_act_is_sent_and_so_is_what_takes_it_back() {
    let mut fixture = watched();
    fixture.commit("demo", "d-1", &[10]);
    fixture.deliver_last();
    assert_eq!(fixture.told_of().len(), 1);
    let until = second(1_600);
    for (done, member, expected) in [
        (Act::Disable, "/disabled/note", json!("on it")),
        (Act::Enable, "/disabled", Value::Null),
        (Act::Snooze(until), "/snoozed_until", json!(until)),
        (Act::Enable, "/snoozed", Value::Null),
        (Act::Acknowledge, "/acknowledged/by", json!("key:1")),
    ] {
        fixture.act(done);
        let [told] = &fixture.told_of()[..] else { panic!("one alert after {done:?}") };
        assert_eq!(told.pointer(member), Some(&expected), "{done:?}");
    }
}

#[test]
fn an_alert_is_sent_again_when_its_pause_is_over() {
    let mut fixture = watched();
    fixture.commit("demo", "d-1", &[10]);
    fixture.deliver_last();
    fixture.act(Act::Snooze(second(1_600)));
    assert_eq!(fixture.armed(TimerKind::Snooze), ["device/d-1"]);
    fixture.told_of();
    let (sweep, old) = (json!({ "action": "sweep" }), fixture.head());
    fixture.memory.state().now = second(1_500);
    assert_eq!(fixture.command(&sweep)["timers"], json!({}), "the pause lasts");
    fixture.memory.state().now = second(1_600 + 300);
    assert_eq!(fixture.command(&sweep)["timers"], json!({ "woken": 1 }));
    fixture.stream.push(change(PLACE, "9", Some(&old), &fixture.head()));
    fixture.deliver_last();
    assert_eq!(fixture.told_of().len(), 1);
    assert_eq!(fixture.armed(TimerKind::Snooze), Vec::<String>::new());
}
