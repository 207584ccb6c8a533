//! What is taken out of the ledger in memory.

use super::ledger::place;
use super::{Call, Fault, Memory, unreachable};
use crate::error::Unavailable;
use crate::forget::Eraser;
use crate::ledger::StoredHead;
use crate::pipeline::ports::Home;

/// Pages that go at once: few, so that there is more than one call.
const PAGES: usize = 3;

impl Eraser for Memory {
    async fn replace_unlisted(&self, home: &Home, head: &StoredHead) -> Result<bool, Unavailable> {
        self.give_way().await;
        let state = &mut *self.state();
        let fault = (state.faults)(Call::Write);
        match fault {
            Fault::Refused => return Err(unreachable()),
            Fault::HotKey | Fault::LostBefore => return Ok(false),
            Fault::None | Fault::LostAfter | Fault::PagesLate(_) => {}
        }
        let place = place(home);
        let stored = state.heads.get_mut(&place);
        let Some(stored) = stored.filter(|stored| stored.version + 1 == head.version) else {
            return Ok(false);
        };
        *stored = head.clone();
        state.activity.remove(&place);
        Ok(fault != Fault::LostAfter)
    }

    async fn delete_pages(&self, home: &Home, up_to: &[u8]) -> Result<usize, Unavailable> {
        self.give_way().await;
        let state = &mut *self.state();
        if (state.faults)(Call::Erase) != Fault::None {
            return Err(unreachable());
        }
        let place = place(home);
        let mine = state.pages.range((place.clone(), Vec::new())..=(place, up_to.to_vec()));
        let keys: Vec<_> = mine.map(|(key, _)| key.clone()).take(PAGES).collect();
        for key in &keys {
            state.pages.remove(key);
        }
        Ok(keys.len())
    }
}
