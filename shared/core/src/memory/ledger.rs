//! The ledger and its listing index in memory, with DynamoDB's conditions and units.

use super::{Memory, State};
use crate::base::cost::{Metered, Units};
use crate::base::error::{Reason, Unavailable};
use crate::base::limits::ITEM_BYTES;
use crate::ledger::dialogue::WriteAnswer;
use crate::ledger::shard::Shard;
use crate::ledger::{Activity, Bound, LedgerWrite, PageRange, PageWrite, StoredHead, StoredPage};
use crate::ports::{Listing, Store, SubjectLocation, Together};

pub(super) fn units_of(bytes: usize, per_unit: u32) -> f64 {
    let units = bytes.div_ceil(per_unit as usize).max(1);
    f64::from(u32::try_from(units).unwrap_or(u32::MAX))
}

pub(super) const WRITE_UNIT: u32 = 1024;
pub(super) const READ_UNIT: u32 = 4096;
/// Approximate size of the attribute names and numbers of an item, in bytes.
const NAMES: usize = 13;

/// The place of a subject's items: the name of the tenant's own table, if it has one, and the partition key.
pub(crate) fn place(location: &SubjectLocation) -> String {
    let pk = location.key.partition_key();
    match &location.table {
        Some(table) => format!("{table}!{pk}"),
        None => pk,
    }
}

fn head_bytes(pk: &str, head: &StoredHead, activity: &Activity) -> usize {
    pk.len() + activity.shard.len() + activity.hour.len() + head.bytes.len() + NAMES
}

fn page_bytes(pk: &str, page: &StoredPage) -> usize {
    pk.len() + page.key.len() + page.bytes.len() + NAMES
}

impl Store for Memory {
    async fn head(
        &self,
        location: &SubjectLocation,
    ) -> Result<Metered<Option<StoredHead>>, Unavailable> {
        self.give_way().await;
        let state = &mut *self.state();
        state.count_down();
        let pk = place(location);
        let bytes = state.stored_head_bytes(&pk);
        let head = state.heads.get(&pk).cloned();
        Ok(state.charge(head, Units { read: units_of(bytes, READ_UNIT), write: 0.0 }))
    }

    async fn pages(
        &self,
        location: &SubjectLocation,
        range: &PageRange,
    ) -> Result<Metered<Vec<StoredPage>>, Unavailable> {
        self.give_way().await;
        let state = &mut *self.state();
        state.count_down();
        let pk = place(location);
        let pages: Vec<StoredPage> = match &range.bound {
            Bound::From(key) => {
                let mine = state.pages.range((pk.clone(), key.clone())..);
                let mine = mine.take_while(|((owner, _), _)| *owner == pk);
                mine.take(range.limit).map(|(_, write)| write.page.clone()).collect()
            }
            Bound::UpTo(key) => {
                let mine = state.pages.range((pk.clone(), Vec::new())..=(pk.clone(), key.clone()));
                mine.rev().take(range.limit).map(|(_, write)| write.page.clone()).collect()
            }
        };
        let bytes = pages.iter().map(|page| page_bytes(&pk, page)).sum();
        Ok(state.charge(pages, Units { read: units_of(bytes, READ_UNIT), write: 0.0 }))
    }

    async fn together(
        &self,
        location: &SubjectLocation,
        key: &[u8],
    ) -> Result<Metered<Together>, Unavailable> {
        self.give_way().await;
        let state = &mut *self.state();
        state.count_down();
        let pk = place(location);
        let at = (pk.clone(), key.to_vec());
        let page = state.unshown.get(&at).or_else(|| state.pages.get(&at));
        let page = page.map(|write| write.page.clone());
        let bytes = page.as_ref().map_or(0, |page| page_bytes(&pk, page));
        let head_units = units_of(state.stored_head_bytes(&pk), READ_UNIT);
        let read = 2.0 * (head_units + units_of(bytes, READ_UNIT));
        let head = state.heads.get(&pk).cloned();
        Ok(state.charge((head, page), Units { read, write: 0.0 }))
    }

    async fn seal(
        &self,
        location: &SubjectLocation,
        page: &PageWrite,
    ) -> Result<Metered<()>, Unavailable> {
        self.give_way().await;
        let state = &mut *self.state();
        state.count_down();
        let pk = place(location);
        let units = units_of(page_bytes(&pk, &page.page), WRITE_UNIT);
        let at = (pk, page.page.key.clone());
        state.pages.entry(at).or_insert_with(|| page.clone());
        Ok(state.charge((), Units { read: 0.0, write: units }))
    }

    async fn write(
        &self,
        location: &SubjectLocation,
        write: &LedgerWrite,
    ) -> Result<Metered<WriteAnswer>, Unavailable> {
        self.give_way().await;
        let state = &mut *self.state();
        state.count_down();
        let pk = place(location);
        state.refuse_beyond_limits(&pk, write)?;
        let stored = state.heads.get(&pk);
        let lost = stored.map(|head| head.version) != write.expected;
        if lost {
            let answer = WriteAnswer::Lost(stored.cloned());
            let units = units_of(state.stored_head_bytes(&pk), WRITE_UNIT) * factor(write);
            return Ok(state.charge(answer, Units { read: 0.0, write: units }));
        }
        if state.pages_changed(&pk, write) {
            let answer = WriteAnswer::Unknown(Reason::Contention);
            return Ok(state.charge(answer, Units::default()));
        }
        let units = match state.pages_late {
            Some(calls) => state.replace_unseen(&pk, write, calls),
            None => state.replace(&pk, write),
        };
        Ok(state.charge(WriteAnswer::Written, units))
    }
}

/// The cost factor: a transaction writes each item twice, to prepare and to commit.
fn factor(write: &LedgerWrite) -> f64 {
    if write.pages.is_empty() { 1.0 } else { 2.0 }
}

impl State {
    /// Rejects the writes that DynamoDB rejects with a `ValidationException`.
    fn refuse_beyond_limits(&self, pk: &str, write: &LedgerWrite) -> Result<(), Unavailable> {
        const TRANSACTION_BYTES: usize = 4 * 1024 * 1024;
        let head = head_bytes(pk, &write.head, &write.activity);
        let pages = write.pages.iter().map(|page| page_bytes(pk, &page.page));
        let sizes: Vec<usize> = pages.chain([head]).collect();
        let refused = |what: &str| {
            let message = format!("writing head and pages was refused: {what}");
            Err(Unavailable::new(Reason::Bug, message))
        };
        if sizes.iter().any(|size| *size > ITEM_BYTES) {
            return refused("an item over 400 KB");
        }
        if sizes.len() > self.transaction_items {
            return refused("too many items");
        }
        if sizes.len() > 1 && sizes.iter().sum::<usize>() > TRANSACTION_BYTES {
            return refused("a transaction over 4 MB");
        }
        Ok(())
    }

    /// Whether the stored version of a page differs from the expected version, or the page is in a
    /// transaction that is not visible yet.
    fn pages_changed(&self, pk: &str, write: &LedgerWrite) -> bool {
        write.pages.iter().any(|page| {
            let at = (pk.to_owned(), page.page.key.clone());
            let stored = self.pages.get(&at).map(|stored| stored.version);
            stored != page.replaces || self.unshown.contains_key(&at)
        })
    }

    /// Replaces head and pages, but makes every other page visible only after this many calls.
    fn replace_unseen(&mut self, pk: &str, write: &LedgerWrite, calls: u8) -> Units {
        self.show_pages();
        let late = write.pages.iter().skip(usize::from(calls % 2)).step_by(2);
        let late: Vec<_> = late.map(|page| (pk.to_owned(), page.page.key.clone())).collect();
        let before: Vec<_> = late.iter().map(|at| self.pages.get(at).cloned()).collect();
        let units = self.replace(pk, write);
        for (at, before) in late.into_iter().zip(before) {
            let after = match before {
                Some(before) => self.pages.insert(at.clone(), before),
                None => self.pages.remove(&at),
            };
            self.unshown.extend(after.map(|after| (at, after)));
        }
        self.shown_in = calls;
        units
    }

    /// Replaces head and pages. A replacement costs the units of the larger item.
    fn replace(&mut self, pk: &str, write: &LedgerWrite) -> Units {
        let bytes = head_bytes(pk, &write.head, &write.activity);
        let mut units = units_of(bytes.max(self.stored_head_bytes(pk)), WRITE_UNIT);
        for page in &write.pages {
            let at = (pk.to_owned(), page.page.key.clone());
            let before = self.pages.insert(at, page.clone());
            let before = before.map_or(0, |before| page_bytes(pk, &before.page));
            units += units_of(page_bytes(pk, &page.page).max(before), WRITE_UNIT);
        }
        units *= factor(write);
        // The listing index: a changed key deletes one entry and puts one. The factor does not apply.
        match self.activity.get_mut(pk) {
            None => {
                units += 1.0;
                self.activity.insert(pk.to_owned(), write.activity.clone());
            }
            Some(before) if *before != write.activity => {
                units += 2.0;
                *before = write.activity.clone();
            }
            Some(_) => {}
        }
        match self.heads.get_mut(pk) {
            None => drop(self.heads.insert(pk.to_owned(), write.head.clone())),
            Some(before) => *before = write.head.clone(),
        }
        if let Some(writes) = &mut self.head_writes {
            writes.push((pk.to_owned(), write.head.clone()));
        }
        Units { read: 0.0, write: units }
    }

    fn stored_head_bytes(&self, pk: &str) -> usize {
        let stored = self.heads.get(pk).zip(self.activity.get(pk));
        stored.map_or(0, |(head, activity)| head_bytes(pk, head, activity))
    }
}

impl Listing for Memory {
    async fn hours(
        &self,
        shard: &Shard,
        below: Option<&str>,
        limit: usize,
    ) -> Result<Metered<Vec<String>>, Unavailable> {
        self.give_way().await;
        let state = &mut *self.state();
        let table = shard.table().map(|table| &**table);
        // No partition key has a `!`.
        let mine = |place: &str| place.rsplit_once('!').map(|(table, _)| table) == table;
        let listed = state
            .activity
            .iter()
            .filter(|(place, activity)| mine(place) && activity.shard == shard.key());
        let hours = listed.map(|(_, activity)| activity.hour.as_str());
        let hours = hours.filter(|hour| below.is_none_or(|below| *hour < below));
        let mut hours: Vec<String> = hours.map(str::to_owned).collect();
        hours.sort_unstable_by(|one, other| other.cmp(one));
        hours.truncate(limit);
        let bytes = hours.iter().map(|hour| 2 * (hour.len() + shard.key().len())).sum();
        Ok(state.charge(hours, Units { read: units_of(bytes, READ_UNIT) / 2.0, write: 0.0 }))
    }
}
