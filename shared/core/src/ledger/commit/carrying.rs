//! The steps of a carry: find the keyframe that it begins with, fold to the end, write what changed part by
//! part.

use std::sync::Arc;

use super::{Carrying, Commit, Failed, Plan, Resume, State};
use crate::base::error::Reason;
use crate::ledger::carry::{Carry, Part, Partly};
use crate::ledger::codec::{decode_head, encode_head};
use crate::ledger::dialogue::{Ask, Step};
use crate::ledger::seek::Sought;
use crate::ledger::{Head, Page, StoredHead};

impl Commit {
    pub(super) fn with_sought(
        mut self,
        mut carry: Carry,
        pages: Vec<Page>,
    ) -> Result<(Self, Step), Failed> {
        let entries = pages.iter().flat_map(|page| &page.entries);
        if let Some(ask) = self.missing_specs(entries) {
            self.state = State::NeedsSpecs(Box::new(Resume::Seek(carry, pages)));
            return Ok((self, Step::Ask(ask)));
        }
        let now = self.params.now;
        let is_floor = match carry.seek.take(&carry.head, now, pages) {
            Sought::Pages(range) => {
                self.state = State::Seeking(Box::new(carry));
                return Ok((self, Step::Ask(Ask::Pages(range))));
            }
            Sought::Partly => return self.carry_later(None),
            Sought::Holds => false,
            Sought::Gone => true,
        };
        match carry.found(is_floor, now, self.params.cutting()) {
            Ok(()) => self.fold_next(carry),
            Err(Partly) => self.carry_later(None),
        }
    }

    pub(super) fn fold_next(mut self, mut carry: Carry) -> Result<(Self, Step), Failed> {
        if let Some(range) = carry.next_pages(self.params.item_limits) {
            self.state = State::Folding(Box::new(carry));
            return Ok((self, Step::Ask(Ask::Pages(range))));
        }
        match carry.end(self.params.now) {
            Ok(()) => self.write_part(carry),
            Err(Partly) => self.carry_later(None),
        }
    }

    pub(super) fn with_folded(
        mut self,
        mut carry: Carry,
        pages: Vec<Page>,
    ) -> Result<(Self, Step), Failed> {
        let entries = pages.iter().flat_map(|page| &page.entries);
        if let Some(ask) = self.missing_specs(entries) {
            self.state = State::NeedsSpecs(Box::new(Resume::Fold(carry, pages)));
            return Ok((self, Step::Ask(ask)));
        }
        let is_end = pages.is_empty();
        let (now, cutting) = (self.params.now, self.params.cutting());
        let fed = pages.into_iter().try_for_each(|page| carry.feed(page, now, cutting));
        match (fed, is_end) {
            (Ok(()), false) => self.fold_next(carry),
            (Ok(()), true) => match carry.end(now) {
                Ok(()) => self.write_part(carry),
                Err(Partly) => self.carry_later(None),
            },
            (Err(Partly), _) => self.carry_later(None),
        }
    }

    pub(super) fn write_part(mut self, mut carry: Carry) -> Result<(Self, Step), Failed> {
        self.restarts_view |= carry.is_floor;
        let Part { mut head, pages } = match carry.next_part(&self.params) {
            Ok(part) => part,
            Err(unwritable) => return self.fail_unwritable(unwritable),
        };
        head.version += 1;
        // Until the last part nothing is frozen: it would have to be sealed before the next part.
        let activity = self.activity(&head);
        let bytes = if head.stale.is_some() {
            encode_head(&head)
        } else {
            self.encode(&mut head, &activity, 0)
        };
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(unwritable) => return self.fail_unwritable(unwritable),
        };
        let plan = Plan { head, bytes, pages, placed: Vec::new(), carry: Some(carry) };
        self.write_plan(plan, activity)
    }

    /// Goes on with the next part, unless that was the last one.
    pub(super) fn carry_on(self, mut carry: Carry, head: Head) -> Result<(Self, Step), Failed> {
        if head.stale.is_none() {
            return self.done(Some(Arc::new(head)));
        }
        carry.head = head;
        self.write_part(carry)
    }

    /// Another writer was faster, or pages do not show yet. The entries have their outcomes, so that the
    /// next commit may as well do it, unless this is all that was asked for.
    pub(super) fn carry_later(self, stored: Option<StoredHead>) -> Result<(Self, Step), Failed> {
        if self.carrying == Carrying::Always {
            return self.again(None, Reason::Contention);
        }
        let head = stored.and_then(|stored| decode_head(&stored.bytes).ok());
        self.done(head.map(Arc::new))
    }
}
