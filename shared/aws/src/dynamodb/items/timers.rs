//! Timers and the state of the sweep. Every item has `pk` (S) and `sk` (S):
//!
//! - `W#{minute}#{shard}` and `{kind}#{digest of the subject}`, the entry of a timer: `s` (S) the partition
//!   key of the subject; `f` (N) the failures in succession
//! - the partition key of the subject and `W#{kind}`, an armed minute: `m` (N) the minute, as minutes since
//!   1970
//! - `W` and `SWEEP`, the state of the sweep: `n` (N) the next minute; `t` (S) the token of the holder; `u`
//!   (N) the end of the lease, in microseconds since 1970
//!
//! Every item except the state of the sweep has `x` (N), the time of expiry, in seconds since 1970.

use aws_sdk_dynamodb::types::AttributeValue;
use drover_core::base::error::Unavailable;
use drover_core::base::time::Timestamp;
use drover_core::outputs::timers::sweeping::SweepState;
use drover_core::outputs::timers::{Minute, Partition, Timer, TimerKey};

use super::{Item, broken, item, key, number, read_number, text};

/// Reads [`entry_item`]. `None`: this version cannot read the entry.
pub(in crate::dynamodb) fn read_entry(partition: Partition, item: &Item) -> Option<Timer> {
    let text = |name: &str| item.get(name)?.as_s().ok();
    let failures = read_number(item, "f")?;
    Timer::read(partition.minute, text("sk")?, text("s")?, failures)
}

/// The entry of a timer.
pub(in crate::dynamodb) fn entry_item(timer: &Timer) -> Item {
    let mut entry = entry_key(timer);
    entry.extend(item([
        ("s", text(&timer.key.subject.partition_key())),
        ("f", number(timer.failures)),
        ("x", number(timer.minute.expires_at())),
    ]));
    entry
}

/// The key of [`entry_item`].
pub(in crate::dynamodb) fn entry_key(timer: &Timer) -> Item {
    key(&timer.partition().key(), &timer.key.sort_key())
}

/// The key of the last item of a page of entries.
pub(in crate::dynamodb) fn entry_after(partition: Partition, sort_key: &str) -> Item {
    key(&partition.key(), sort_key)
}

/// The values of a query for entries: `:pk`.
pub(in crate::dynamodb) fn entries_of(partition: Partition) -> Item {
    item([(":pk", text(&partition.key()))])
}

/// The sort key of an item.
pub(in crate::dynamodb) fn sort_key(item: &Item) -> Option<String> {
    item.get("sk")?.as_s().ok().cloned()
}

/// The armed minute of a timer.
pub(in crate::dynamodb) fn armed_item(timer: &TimerKey, minute: Minute) -> Item {
    let mut armed = armed_key(timer);
    armed.extend(item([("m", number(minute.0)), ("x", number(minute.expires_at()))]));
    armed
}

/// The key of [`armed_item`].
pub(in crate::dynamodb) fn armed_key(timer: &TimerKey) -> Item {
    key(&timer.subject.partition_key(), &["W#", timer.kind.as_str()].concat())
}

/// The values of [`armed_item`]'s condition: `:m`.
pub(in crate::dynamodb) fn armed_values(minute: Minute) -> Item {
    item([(":m", number(minute.0))])
}

/// Reads [`armed_item`].
///
/// # Errors
/// The item is corrupt.
#[expect(clippy::needless_pass_by_value, reason = "like every function that reads an item")]
pub(in crate::dynamodb) fn read_armed(item: Item) -> Result<Minute, Unavailable> {
    read_number(&item, "m").map(Minute).ok_or_else(|| broken("armed minute"))
}

/// The state of the sweep.
pub(in crate::dynamodb) fn sweep_item(state: &SweepState) -> Item {
    let mut sweep = sweep_key();
    let (next, until) = (number(state.next.0), number(state.until.micros()));
    sweep.extend(item([("n", next), ("t", text(&state.token)), ("u", until)]));
    sweep
}

/// The key of [`sweep_item`].
pub(in crate::dynamodb) fn sweep_key() -> Item {
    key("W", "SWEEP")
}

/// The values of [`sweep_item`]'s condition: `:n`, `:t` and `:u`.
pub(in crate::dynamodb) fn sweep_values(state: &SweepState) -> Item {
    let (next, until) = (number(state.next.0), number(state.until.micros()));
    item([(":n", next), (":t", text(&state.token)), (":u", until)])
}

/// Reads [`sweep_item`].
///
/// # Errors
/// The item is corrupt.
pub(in crate::dynamodb) fn read_sweep(mut item: Item) -> Result<SweepState, Unavailable> {
    let next = read_number(&item, "n").map(Minute);
    let until = read_number(&item, "u").and_then(Timestamp::from_micros);
    match (next, item.remove("t"), until) {
        (Some(next), Some(AttributeValue::S(token)), Some(until)) => {
            Ok(SweepState { next, token, until })
        }
        _ => Err(broken("state of the sweep")),
    }
}

#[cfg(test)]
mod tests {
    use drover_core::base::error::Reason;
    use drover_core::base::id::{SubjectId, TenantId};
    use drover_core::base::scope::TenantScope;
    use drover_core::outputs::timers::TimerKind;

    use super::*;

    fn timer() -> Timer {
        let scope = TenantScope::by_operator(TenantId::parse("demo").expect("a tenant"));
        let subject = scope.subject(SubjectId::parse("device/a#1").expect("a subject"));
        let key = TimerKey { kind: TimerKind::Carry, subject };
        Timer { key, minute: Minute(29_000_000), failures: 7 }
    }

    fn state() -> SweepState {
        SweepState { next: Minute(-5), token: String::new(), until: Timestamp::MIN }
    }

    #[test]
    fn every_item_is_decoded_as_it_was_encoded() {
        let timer = timer();
        assert_eq!(read_entry(timer.partition(), &entry_item(&timer)), Some(timer.clone()));
        assert_eq!(read_armed(armed_item(&timer.key, timer.minute)), Ok(timer.minute));
        assert_eq!(read_sweep(sweep_item(&state())), Ok(state()));
    }

    #[test]
    fn every_item_except_the_state_of_the_sweep_expires_a_month_after_its_minute() {
        let timer = timer();
        let expires_at = |item: Item| item.get("x").cloned();
        let month = number(29_000_000_i64 * 60 + 30 * 24 * 60 * 60);
        assert_eq!(expires_at(entry_item(&timer)), Some(month.clone()));
        assert_eq!(expires_at(armed_item(&timer.key, timer.minute)), Some(month));
        assert_eq!(expires_at(sweep_item(&state())), None);
    }

    #[test]
    fn the_keys_of_items_never_change() {
        let keys =
            |item: &Item| ["pk", "sk"].map(|name| item[name].as_s().expect("a text").clone());
        let timer = timer();
        let armed = ["T#demo#S#device#a%231".to_owned(), "W#carry".to_owned()];
        assert_eq!(keys(&armed_key(&timer.key)), armed);
        assert_eq!(keys(&sweep_key()), ["W", "SWEEP"]);
        let [pk, sk] = keys(&entry_key(&timer));
        assert!(pk.starts_with("W#29000000#") && sk.starts_with("carry#"), "{pk} {sk}");
    }

    #[test]
    fn an_item_with_a_missing_or_wrong_attribute_is_corrupt_and_such_an_entry_is_unreadable() {
        let damaged = |item: &Item, name: &str| {
            let mut lacking = item.clone();
            lacking.remove(name);
            let mut wrong = item.clone();
            wrong.insert(name.to_owned(), AttributeValue::Bool(true));
            [lacking, wrong]
        };
        let timer = timer();
        for name in ["sk", "s", "f"] {
            for item in damaged(&entry_item(&timer), name) {
                assert_eq!(read_entry(timer.partition(), &item), None, "{name}");
            }
        }
        let corrupt = Some(Reason::Corrupt);
        for item in damaged(&armed_item(&timer.key, timer.minute), "m") {
            assert_eq!(read_armed(item).err().map(|error| error.reason), corrupt);
        }
        for name in ["n", "t", "u"] {
            for item in damaged(&sweep_item(&state()), name) {
                assert_eq!(read_sweep(item).err().map(|error| error.reason), corrupt, "{name}");
            }
        }
    }
}
