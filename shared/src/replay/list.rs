//! Letters and counts, without a run: no payloads, the newest first.

use std::collections::BTreeMap;

use super::{Refusal, asked};
use crate::dead_letter::Content;
use crate::error::Unavailable;
use crate::letter::{LISTED, Letter, LetterRange, Letters, Order, Owner, State};
use crate::pipeline::ports::Units;

/// Letters that one answer counts at most, and looks at for a page of a list.
pub const COUNTED: usize = 10_000;

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// Of this code only.
    pub code: Option<String>,
    /// In this state; open ones where nothing is said.
    pub state: State,
    /// At most so many, from 1 to [`LISTED`].
    pub limit: usize,
    /// Older than this one: an id that an answer gave.
    pub after: Option<String>,
}

/// Some letters, and counts of the open ones.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listing {
    /// The newest first.
    pub letters: Vec<Letter>,
    /// Where to go on; `None`: there is no more.
    pub next: Option<String>,
    /// Open letters by code.
    pub counts: BTreeMap<String, u64>,
    /// Whether all letters were counted; otherwise the newest [`COUNTED`].
    pub complete: bool,
    /// What it cost.
    pub units: Units,
}

impl Listing {
    /// Open letters, all codes together.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }
}

/// Lists and counts.
///
/// # Errors
/// A code or a limit that makes no sense; the table did not answer.
pub async fn list(
    letters: &impl Letters,
    owner: &Owner,
    question: &Question,
) -> Result<Listing, Refusal> {
    if question.code.as_deref().is_some_and(|code| !asked::is_code(code)) {
        return Err(Refusal::Invalid("code is no code of a dead letter".to_owned()));
    }
    if !(1..=LISTED).contains(&question.limit) {
        return Err(Refusal::Invalid(format!("limit is no number from 1 to {LISTED}")));
    }
    if question.after.as_deref().is_some_and(|id| !asked::is_id(id)) {
        return Err(Refusal::Invalid("cursor is none of this list".to_owned()));
    }
    let mut scan = Scan { question, listing: Listing::default(), at: None, full: false };
    scan.listing.complete = scan.go(letters, owner, Counting::Yes).await?;
    if !scan.listing.complete && !scan.full {
        // The counts are bounded; the list goes on behind what they saw, or behind its cursor.
        scan.at = scan.at.take().into_iter().chain(question.after.clone()).min();
        let over = scan.go(letters, owner, Counting::No).await?;
        if !over && !scan.full {
            scan.listing.next = scan.at.take();
        }
    }
    Ok(scan.listing)
}

/// A letter with its content; no content: parts of it are missing.
///
/// # Errors
/// The table did not answer.
pub async fn open(
    letters: &impl Letters,
    owner: &Owner,
    id: &str,
) -> Result<Option<(Letter, Option<Content>)>, Unavailable> {
    if !asked::is_id(id) {
        return Ok(None);
    }
    let Some(stored) = letters.letter(owner, id).await?.answer else { return Ok(None) };
    let frames = letters.contents(owner, &[stored.letter.wanted()]).await?.answer;
    let frame = frames.into_iter().next().flatten();
    let content = frame.and_then(|frame| Content::unpack(&frame).ok());
    Ok(Some((stored.letter, content)))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Counting {
    Yes,
    No,
}

struct Scan<'a> {
    question: &'a Question,
    listing: Listing,
    /// The last letter that was looked at.
    at: Option<String>,
    /// Whether the page of the list is full, and another letter would be on the next.
    full: bool,
}

impl Scan<'_> {
    /// Looks at up to [`COUNTED`] letters. Says whether there are no more.
    async fn go(
        &mut self,
        letters: &impl Letters,
        owner: &Owner,
        counting: Counting,
    ) -> Result<bool, Unavailable> {
        let mut seen = 0;
        while seen < COUNTED {
            if counting == Counting::No && self.full {
                return Ok(false);
            }
            let limit = LISTED.min(COUNTED - seen);
            let range = LetterRange { after: self.at.clone(), order: Order::Falling, limit };
            let page = letters.letters(owner, &range).await?;
            self.listing.units += page.units;
            seen += page.answer.len();
            let last = page.answer.len() < limit;
            for stored in page.answer {
                self.at = Some(stored.letter.id.clone());
                self.look(stored.letter, counting);
            }
            if last {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn look(&mut self, letter: Letter, counting: Counting) {
        if counting == Counting::Yes && letter.state == State::Open {
            *self.listing.counts.entry(letter.code.clone()).or_default() += 1;
        }
        let Question { code, state, limit, after } = self.question;
        let behind = after.as_ref().is_none_or(|after| letter.id < *after);
        let wanted = code.as_ref().is_none_or(|code| *code == letter.code);
        if !behind || !wanted || letter.state != *state || self.full {
            return;
        }
        if self.listing.letters.len() < *limit {
            self.listing.letters.push(letter);
        } else {
            self.full = true;
            self.listing.next = self.listing.letters.last().map(|letter| letter.id.clone());
        }
    }
}
