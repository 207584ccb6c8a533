//! Alerts and the commit that they reflect. Every item has the partition key of the subject as `pk` (S), and
//! `sk` (S):
//!
//! - [`Alert::sort_key`], an alert: `d` (B) the encoded alert; `i` (S) its id; `g` (S) `T#{tenant}#A`, which lists
//!   it among all alerts; while it is open, `o` (S) `T#{tenant}#O`, which lists it among the open ones
//! - [`REFLECTED_KEY`], the reflected commit: `e` (N) its era; `v` (N) its version; `r` (N) the revision
//!
//! Sort keys begin with `A#`. Armed minutes, which have the same partition keys, begin with `W#`.
//!
//! Every item except an open alert has `x` (N), the time of expiry, in seconds since 1970. The reflected commit
//! expires as long after its last change as an alert after its end.

use aws_sdk_dynamodb::types::AttributeValue;
use drover_core::base::error::Unavailable;
use drover_core::base::id::SubjectKey;
use drover_core::base::scope::TenantScope;
use drover_core::base::time::Timestamp;
use drover_core::outputs::alerts::{
    Alert, AlertPage, REFLECTED_KEY, Reflected, SubjectAlerts, closed_key, expiry,
};
use drover_core::outputs::changes::CommitId;

use super::{Item, broken, bytes, item, key, number, read_number, text};

/// The digits of ids.
const DIGITS: &str = "0123456789abcdef";
/// A text below all ids, and one above.
const BELOW_IDS: &str = "0";
const ABOVE_IDS: &str = "g";

/// An alert.
pub(in crate::dynamodb) fn alert_item(subject: &SubjectKey, alert: &Alert) -> Item {
    let tenant = subject.tenant().as_str();
    let mut stored = alert_key(subject, alert);
    stored.extend(item([
        ("d", bytes(&alert.encode())),
        ("i", text(alert.id.as_str())),
        ("g", text(&["T#", tenant, "#A"].concat())),
    ]));
    stored.extend(match alert.expires_at() {
        Some(expires_at) => item([("x", number(expires_at))]),
        None => item([("o", text(&["T#", tenant, "#O"].concat()))]),
    });
    stored
}

/// The key of [`alert_item`].
pub(in crate::dynamodb) fn alert_key(subject: &SubjectKey, alert: &Alert) -> Item {
    key(&subject.partition_key(), &alert.sort_key())
}

/// The value of a condition on [`alert_item`]: `:d`.
pub(in crate::dynamodb) fn alert_values(alert: &Alert) -> Item {
    item([(":d", bytes(&alert.encode()))])
}

/// The reflected commit.
pub(in crate::dynamodb) fn reflected_item(
    subject: &SubjectKey,
    reflected: Reflected,
    now: Timestamp,
) -> Item {
    let Reflected { commit: CommitId { era, version }, revision } = reflected;
    let expires_at = expiry(now).whole_seconds();
    let mut stored = key(&subject.partition_key(), REFLECTED_KEY);
    stored.extend(item([
        ("e", number(era)),
        ("v", number(version)),
        ("r", number(revision)),
        ("x", number(expires_at)),
    ]));
    stored
}

/// The values of [`reflected_item`]'s condition: `:e`, `:v` and `:r`.
pub(in crate::dynamodb) fn reflected_values(reflected: Reflected) -> Item {
    let Reflected { commit: CommitId { era, version }, revision } = reflected;
    item([(":e", number(era)), (":v", number(version)), (":r", number(revision))])
}

/// Reads [`reflected_item`].
///
/// # Errors
/// The item is corrupt.
pub(in crate::dynamodb) fn read_reflected(item: &Item) -> Result<Reflected, Unavailable> {
    let numbers = ["e", "v", "r"].map(|name| read_number(item, name));
    let [Some(era), Some(version), Some(revision)] = numbers else {
        return Err(broken("commit that alerts reflect"));
    };
    Ok(Reflected { commit: CommitId { era, version }, revision })
}

/// The values of a query for the items of a subject: `:pk`, `:from` and `:to`.
pub(in crate::dynamodb) fn alerts_of(subject: &SubjectKey, closed_from: Timestamp) -> Item {
    item([
        (":pk", text(&subject.partition_key())),
        (":from", text(&closed_key(closed_from))),
        (":to", text(REFLECTED_KEY)),
    ])
}

/// Reads the items of a subject.
///
/// # Errors
/// An item is corrupt.
pub(in crate::dynamodb) fn read_alerts(
    items: impl Iterator<Item = Item>,
) -> Result<SubjectAlerts, Unavailable> {
    let mut read = SubjectAlerts::default();
    for item in items {
        if item.get("sk").is_some_and(|sk| *sk == text(REFLECTED_KEY)) {
            read.reflected = Some(read_reflected(&item)?);
        } else {
            read.alerts.push(read_alert(&item).ok_or_else(|| broken("alert"))?);
        }
    }
    Ok(read)
}

/// The values of a query for alerts of a tenant: `:p`, `:from` and `:to`. `None`: no id is in the range.
pub(in crate::dynamodb) fn listed(tenant: &TenantScope, page: &AlertPage) -> Option<Item> {
    let partition = if page.only_open { "#O" } else { "#A" };
    let from = page.from.as_deref().unwrap_or_default().max(BELOW_IDS);
    let to = page.below.as_deref().map_or_else(|| ABOVE_IDS.to_owned(), before);
    let partition = ["T#", tenant.tenant().as_str(), partition].concat();
    // DynamoDB rejects an empty range.
    (*from <= *to)
        .then(|| item([(":p", text(&partition)), (":from", text(from)), (":to", text(&to))]))
}

/// A text that is below this one, and not below any id that is. DynamoDB includes both ends of a range.
fn before(below: &str) -> String {
    let mut characters = below.chars();
    let Some(last) = characters.next_back() else { return String::new() };
    let same = characters.as_str();
    match DIGITS.chars().rev().find(|digit| *digit < last) {
        Some(digit) => format!("{same}{digit}{ABOVE_IDS}"),
        None => same.to_owned(),
    }
}

/// Reads [`alert_item`] with its subject. `None`: this version cannot read the item.
pub(in crate::dynamodb) fn read_listed(item: &Item) -> Option<(SubjectKey, Alert)> {
    let subject = TenantScope::stored_subject(item.get("pk")?.as_s().ok()?)?;
    Some((subject, read_alert(item)?))
}

/// The id of a listed item or key.
pub(in crate::dynamodb) fn id(item: &Item) -> Option<String> {
    item.get("i")?.as_s().ok().cloned()
}

fn read_alert(item: &Item) -> Option<Alert> {
    let AttributeValue::B(encoded) = item.get("d")? else { return None };
    Alert::decode(encoded.as_ref())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use drover_core::base::error::Reason;
    use drover_core::base::id::{SubjectId, TenantId};
    use drover_core::base::severity::Severity;
    use drover_core::outputs::alerts::acts::Acts;
    use drover_core::outputs::alerts::{AlertId, Cause, Latest, Retraction};
    use drover_core::view::rules::{Ending, Episode, Moment};

    use super::*;

    const DAY: i64 = 24 * 60 * 60;

    fn tenant() -> TenantScope {
        TenantScope::by_operator(TenantId::parse("demo").expect("a tenant"))
    }

    fn subject() -> SubjectKey {
        tenant().subject(SubjectId::parse("device/a#1").expect("a subject"))
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000).expect("in range")
    }

    fn open() -> Alert {
        let episode = Episode {
            rule: Arc::from("hot"),
            version: 1,
            opened: Moment::time(at(100)),
            closed: None,
            severity: Severity::Warning,
            value: None,
        };
        let id = AlertId::parse(&"0a".repeat(16)).expect("an id");
        let (acts, latest) = (Acts::default(), Latest::default());
        Alert { id, episode, retracted: None, latches: false, acts, latest }
    }

    fn closed() -> Alert {
        let mut alert = open();
        alert.episode.closed = Some((Moment::time(at(200)), Ending::Cleared));
        alert
    }

    fn retracted() -> Alert {
        let retraction = Retraction { cause: Cause::History, until: at(150) };
        Alert { retracted: Some(retraction), ..open() }
    }

    fn reflected() -> Reflected {
        Reflected { commit: CommitId { era: 2, version: 7 }, revision: u64::MAX }
    }

    fn page(from: Option<&str>, below: Option<&str>) -> AlertPage {
        let [from, below] = [from, below].map(|text| text.map(str::to_owned));
        AlertPage { only_open: false, from, below, limit: 10 }
    }

    #[test]
    fn every_item_is_decoded_as_it_was_encoded() {
        let alerts = vec![closed(), retracted(), open()];
        let mut items: Vec<Item> =
            alerts.iter().map(|alert| alert_item(&subject(), alert)).collect();
        for (item, alert) in items.iter().zip(&alerts) {
            assert_eq!(read_listed(item), Some((subject(), alert.clone())));
            assert_eq!(id(item).as_deref(), Some(alert.id.as_str()));
        }
        items.push(reflected_item(&subject(), reflected(), at(0)));
        let expected = SubjectAlerts { reflected: Some(reflected()), alerts };
        assert_eq!(read_alerts(items.into_iter()), Ok(expected));
        assert_eq!(read_alerts(std::iter::empty()), Ok(SubjectAlerts::default()));
    }

    #[test]
    fn closed_alerts_and_the_reflected_commit_expire_and_open_alerts_do_not() {
        let expires_at = |item: Item| item.get("x").cloned();
        let of = |alert: &Alert| expires_at(alert_item(&subject(), alert));
        assert_eq!(of(&open()), None);
        assert_eq!(of(&closed()), Some(number(200 + 90 * DAY)));
        assert_eq!(of(&retracted()), Some(number(150 + 90 * DAY)));
        let reflected = reflected_item(&subject(), reflected(), at(300));
        assert_eq!(expires_at(reflected), Some(number(300 + 90 * DAY)));
    }

    #[test]
    fn the_keys_of_items_never_change() {
        fn keys(item: &Item) -> [Option<&str>; 4] {
            ["pk", "sk", "g", "o"].map(|name| Some(&**item.get(name)?.as_s().ok()?))
        }
        let (pk, id) = ("T#demo#S#device#a%231", "0a".repeat(16));
        let sort_key = format!("A#O#{id}");
        let item = alert_item(&subject(), &open());
        let expected = [Some(pk), Some(&*sort_key), Some("T#demo#A"), Some("T#demo#O")];
        assert_eq!(keys(&item), expected);
        for (alert, micros) in [(closed(), 200_000_000_u64), (retracted(), 150_000_000)] {
            let sort_key = format!("A#C#{:016x}#{id}", micros | 1 << 63);
            let item = alert_item(&subject(), &alert);
            assert_eq!(keys(&item), [Some(pk), Some(&*sort_key), Some("T#demo#A"), None]);
        }
        let item = reflected_item(&subject(), reflected(), at(0));
        assert_eq!(keys(&item), [Some(pk), Some("A#Z"), None, None]);
    }

    #[test]
    fn an_alert_that_changes_only_while_it_is_open_keeps_its_key() {
        let mut raised = open();
        raised.episode.severity = Severity::Critical;
        assert_eq!(alert_key(&subject(), &raised), alert_key(&subject(), &open()));
        assert_ne!(alert_key(&subject(), &closed()), alert_key(&subject(), &open()));
    }

    #[test]
    fn an_item_with_a_missing_or_wrong_attribute_is_corrupt_and_a_listed_one_is_unreadable() {
        let damaged = |item: &Item, name: &str| {
            let mut lacking = item.clone();
            lacking.remove(name);
            let mut wrong = item.clone();
            wrong.insert(name.to_owned(), AttributeValue::Bool(true));
            [lacking, wrong]
        };
        let reason = |item: Item| {
            let read = read_alerts(std::iter::once(item));
            read.err().map(|error| error.reason)
        };
        let alert = alert_item(&subject(), &open());
        for item in damaged(&alert, "d") {
            assert_eq!(read_listed(&item), None);
            assert_eq!(reason(item), Some(Reason::Corrupt));
        }
        for item in damaged(&alert, "pk") {
            assert_eq!(read_listed(&item), None);
        }
        let reflected = reflected_item(&subject(), reflected(), at(0));
        for name in ["e", "v", "r"] {
            for item in damaged(&reflected, name) {
                assert_eq!(reason(item), Some(Reason::Corrupt), "{name}");
            }
        }
    }

    /// Compares the range of a query with the definition, for ids around the bounds.
    #[test]
    fn a_range_has_exactly_the_ids_from_the_one_text_on_and_below_the_other() {
        let id = "07fa90".repeat(6);
        let id = id.get(..32).expect("ASCII");
        let texts = [
            "", "0", "1", "9", "a", "f", "g", "z", "/", "0000", "ffff", "07", "07fa90", "07fa8f",
            id,
        ];
        let mut texts: Vec<String> = texts.map(str::to_owned).into();
        texts.extend([format!("{id}0"), id.replace('7', "ü"), "\u{0}".to_owned()]);
        let neighbours = [0, 1, 15, 31].into_iter().flat_map(|at| {
            ["0", "8", "f"].map(|digit| {
                let mut other = id.to_owned();
                other.replace_range(at..=at, digit);
                other
            })
        });
        let ids: Vec<String> =
            neighbours.chain([id.to_owned(), "0".repeat(32), "f".repeat(32)]).collect();
        for (from, below) in texts.iter().flat_map(|from| texts.iter().map(move |to| (from, to))) {
            for (from, below) in
                [(Some(from), Some(below)), (None, Some(below)), (Some(from), None)]
            {
                let page = page(from.map(String::as_str), below.map(String::as_str));
                let range = listed(&tenant(), &page);
                for id in &ids {
                    let expected =
                        from.is_none_or(|from| id >= from) && below.is_none_or(|below| id < below);
                    let found = range.as_ref().is_some_and(|values| {
                        let [from, to] =
                            [":from", ":to"].map(|name| values[name].as_s().expect("a text"));
                        assert!(from <= to && !from.is_empty(), "DynamoDB rejects {values:?}");
                        from <= id && id <= to
                    });
                    assert_eq!(found, expected, "{id} from {from:?} below {below:?}");
                }
            }
        }
    }

    #[test]
    fn a_range_is_in_the_partition_of_its_tenant() {
        let partition = |page: &AlertPage| {
            listed(&tenant(), page).expect("a range")[":p"].as_s().cloned().expect("a text")
        };
        let all = page(None, None);
        let only_open = AlertPage { only_open: true, ..all.clone() };
        for (page, name) in [(all, "g"), (only_open, "o")] {
            let item = alert_item(&subject(), &open());
            assert_eq!(item[name].as_s(), Ok(&partition(&page)), "{name}");
        }
    }
}
