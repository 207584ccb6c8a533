//! Items of a ledger table:
//!
//! - `pk` (S): the subject
//! - `sk` (B): `H` for the head; `P` and the key of the page for a page
//! - `d` (B): the encoded head or page
//! - `v` (N): the version; for a page, the version of the head that it was written with
//! - `a` and `h` (S), heads only: the keys of the listing index
//! - `x` (N), pages only: the time of expiry, in seconds since 1970

use aws_sdk_dynamodb::types::AttributeValue;
use drover_core::base::error::Unavailable;
use drover_core::ledger::{Bound, LedgerWrite, PageWrite, StoredHead, StoredPage};

use super::{Item, NUMBER, WRITE_UNIT, broken, bytes, item, number, read_number, text, units};

const HEAD: &[u8] = b"H";
const PAGE: u8 = b'P';
/// A sort key greater than every key that starts with `P`. No item has this key.
const BEHIND_PAGES: &[u8] = b"Q";

/// The key of a head.
pub(in crate::dynamodb) fn head_key(pk: &str) -> Item {
    item([("pk", text(pk)), ("sk", bytes(HEAD))])
}

/// The key of a page.
pub(in crate::dynamodb) fn page_item_key(pk: &str, key: &[u8]) -> Item {
    item([("pk", text(pk)), ("sk", bytes(&page_key(key)))])
}

/// The values of a query for pages: `:pk`, `:from` and `:to`.
pub(in crate::dynamodb) fn pages_between(pk: &str, bound: &Bound) -> Item {
    let (from, to) = match bound {
        Bound::From(key) => (page_key(key), BEHIND_PAGES.to_vec()),
        Bound::UpTo(key) => (page_key(&[]), page_key(key)),
    };
    item([(":pk", text(pk)), (":from", bytes(&from)), (":to", bytes(&to))])
}

/// A head with its keys of the listing index.
pub(in crate::dynamodb) fn head_item(pk: &str, write: &LedgerWrite) -> Item {
    let place = [("a", text(&write.activity.shard)), ("h", text(&write.activity.hour))];
    let mut head = unlisted_head_item(pk, &write.head);
    head.extend(item(place));
    head
}

/// A head without keys of the listing index.
pub(in crate::dynamodb) fn unlisted_head_item(pk: &str, head: &StoredHead) -> Item {
    item([
        ("pk", text(pk)),
        ("sk", bytes(HEAD)),
        ("v", number(head.version)),
        ("d", bytes(&head.bytes)),
    ])
}

/// The sort key of a head, and the values of [`head_item`] in the order of a statement: `v`, `d`, `a`, `h`,
/// `pk`, `sk`, and the expected version, if there is one.
pub(in crate::dynamodb) fn head_values(
    pk: &str,
    write: &LedgerWrite,
) -> (Vec<u8>, Vec<AttributeValue>) {
    let mut values = vec![
        number(write.head.version),
        bytes(&write.head.bytes),
        text(&write.activity.shard),
        text(&write.activity.hour),
        text(pk),
        bytes(HEAD),
    ];
    values.extend(write.expected.map(number));
    (HEAD.to_vec(), values)
}

/// The sort key of a page, and the values of [`page_item`] in the order of a statement: `v`, `d`, `x`, `pk`,
/// `sk`.
pub(in crate::dynamodb) fn page_values(
    pk: &str,
    write: &PageWrite,
) -> (Vec<u8>, Vec<AttributeValue>) {
    let sk = page_key(&write.page.key);
    let (page, key) = (bytes(&write.page.bytes), bytes(&sk));
    (sk, vec![number(write.version), page, number(write.expires_at), text(pk), key])
}

/// A page with its time of expiry.
pub(in crate::dynamodb) fn page_item(pk: &str, write: &PageWrite) -> Item {
    item([
        ("pk", text(pk)),
        ("sk", bytes(&page_key(&write.page.key))),
        ("v", number(write.version)),
        ("d", bytes(&write.page.bytes)),
        ("x", number(write.expires_at)),
    ])
}

/// Reads [`head_item`].
///
/// # Errors
/// The item is corrupt.
pub(in crate::dynamodb) fn read_head(mut item: Item) -> Result<StoredHead, Unavailable> {
    match (read_number(&item, "v"), item.remove("d")) {
        (Some(version), Some(AttributeValue::B(bytes))) => {
            Ok(StoredHead { version, bytes: bytes.into_inner() })
        }
        _ => Err(broken("head")),
    }
}

/// Reads [`page_item`].
///
/// # Errors
/// The item is corrupt.
pub(in crate::dynamodb) fn read_page(mut item: Item) -> Result<StoredPage, Unavailable> {
    let (Some(AttributeValue::B(key)), Some(AttributeValue::B(bytes))) =
        (item.remove("sk"), item.remove("d"))
    else {
        return Err(broken("page"));
    };
    match key.as_ref().split_first() {
        Some((&PAGE, key)) => Ok(StoredPage { key: key.to_vec(), bytes: bytes.into_inner() }),
        _ => Err(broken("page")),
    }
}

/// The values of a query of the listing index: `:a`, and `:h` if there is an upper bound.
pub(in crate::dynamodb) fn listed_before(shard: &str, below: Option<&str>) -> Item {
    let mut values = item([(":a", text(shard))]);
    values.extend(below.map(|below| (":h".to_owned(), text(below))));
    values
}

/// Reads the sort key of an entry of the listing index.
///
/// # Errors
/// The item is corrupt.
pub(in crate::dynamodb) fn read_hour(mut item: Item) -> Result<String, Unavailable> {
    match item.remove("h") {
        Some(AttributeValue::S(hour)) => Ok(hour),
        _ => Err(broken("entry of the listing index")),
    }
}

/// The write units of a head, without those of the index.
pub(in crate::dynamodb) fn head_units(
    pk: &str,
    LedgerWrite { head, activity, .. }: &LedgerWrite,
) -> f64 {
    let names = "pkskvdah".len();
    let key = pk.len() + HEAD.len();
    let place = activity.shard.len() + activity.hour.len();
    units(names + key + NUMBER + head.bytes.len() + place, WRITE_UNIT)
}

fn page_key(key: &[u8]) -> Vec<u8> {
    let mut stored = Vec::with_capacity(1 + key.len());
    stored.push(PAGE);
    stored.extend_from_slice(key);
    stored
}

#[cfg(test)]
mod tests {
    use drover_core::base::error::Reason;
    use drover_core::ledger::Activity;

    use super::super::write_units;
    use super::*;

    fn page_write() -> PageWrite {
        let page = StoredPage { key: b"key".to_vec(), bytes: b"page".to_vec() };
        PageWrite { page, version: 7, replaces: None, expires_at: -5 }
    }

    fn ledger_write() -> LedgerWrite {
        LedgerWrite {
            expected: None,
            head: StoredHead { version: u64::MAX, bytes: b"head".to_vec() },
            activity: Activity { shard: "a".to_owned(), hour: "h".to_owned() },
            pages: Vec::new(),
        }
    }

    #[test]
    fn every_item_is_decoded_as_it_was_encoded() {
        let (write, page) = (ledger_write(), page_write());
        assert_eq!(read_head(head_item("pk", &write)), Ok(write.head.clone()));
        assert_eq!(head_units("pk", &write), write_units(&head_item("pk", &write)));
        assert_eq!(read_page(page_item("pk", &page)), Ok(page.page));
    }

    #[test]
    fn an_item_without_an_attribute_is_corrupt() {
        for missing in ["v", "d"] {
            let mut item = head_item("pk", &ledger_write());
            item.remove(missing);
            assert_eq!(read_head(item).map_err(|error| error.reason), Err(Reason::Corrupt));
        }
        for missing in ["sk", "d"] {
            let mut item = page_item("pk", &page_write());
            item.remove(missing);
            assert_eq!(read_page(item).map_err(|error| error.reason), Err(Reason::Corrupt));
        }
    }

    #[test]
    fn an_item_with_a_wrong_type_or_key_is_corrupt() {
        let mut item = head_item("pk", &ledger_write());
        item.insert("v".to_owned(), number(-1));
        assert_eq!(read_head(item).map_err(|error| error.reason), Err(Reason::Corrupt));
        let mut item = page_item("pk", &page_write());
        item.insert("d".to_owned(), text("page"));
        assert_eq!(read_page(item).map_err(|error| error.reason), Err(Reason::Corrupt));
        let head = head_item("pk", &ledger_write());
        assert_eq!(read_page(head).map_err(|error| error.reason), Err(Reason::Corrupt));
    }
}
