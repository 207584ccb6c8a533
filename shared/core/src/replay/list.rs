//! Letters and counts, without a run: no payloads, the newest first.

use std::collections::BTreeMap;

use super::{Refusal, request};
use crate::base::cost::{Metered, Units};
use crate::base::error::Unavailable;
use crate::dead_letter::envelope::Content;
use crate::dead_letter::letter::{LISTED, Letter, LetterRange, Order, Owner, State};
use crate::intake::quota::READ_UNIT_BYTES;
use crate::intake::record::is_letter_id;
use crate::ports::Letters;

/// Letters that one answer counts at most, and looks at for a page of a list.
pub const COUNTED: usize = 10_000;
/// Bytes of letters after which no further page is looked at, for either.
pub const COUNTED_BYTES: f64 = 16.0 * 1024.0 * 1024.0;

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
    /// Whether all letters were counted; otherwise the newest [`COUNTED`], or [`COUNTED_BYTES`].
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
    if question.code.as_deref().is_some_and(|code| !request::is_code(code)) {
        return Err(Refusal::Invalid("code is no code of a dead letter".to_owned()));
    }
    if !(1..=LISTED).contains(&question.limit) {
        return Err(Refusal::Invalid(format!("limit is no number from 1 to {LISTED}")));
    }
    if question.after.as_deref().is_some_and(|id| !is_letter_id(id)) {
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

/// A letter with its content; no content: parts of it are missing. Also what reading it cost.
///
/// # Errors
/// The table did not answer.
pub async fn open(
    letters: &impl Letters,
    owner: &Owner,
    id: &str,
) -> Result<Metered<Option<(Letter, Option<Content>)>>, Unavailable> {
    if !is_letter_id(id) {
        return Ok(Metered { answer: None, units: Units::default() });
    }
    let Metered { answer: stored, mut units } = letters.letter(owner, id).await?;
    let Some(stored) = stored else { return Ok(Metered { answer: None, units }) };
    let frames = letters.contents(owner, &[stored.letter.wanted()]).await?;
    units += frames.units;
    let frame = frames.answer.into_iter().next().flatten();
    let content = frame.and_then(|frame| Content::unpack(&frame).ok());
    Ok(Metered { answer: Some((stored.letter, content)), units })
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
    /// Looks at up to [`COUNTED`] letters and [`COUNTED_BYTES`]. Says whether there are no more.
    async fn go(
        &mut self,
        letters: &impl Letters,
        owner: &Owner,
        counting: Counting,
    ) -> Result<bool, Unavailable> {
        let mut seen = 0;
        let most = self.listing.units.read + COUNTED_BYTES / READ_UNIT_BYTES;
        loop {
            if counting == Counting::No && self.full || self.listing.units.read >= most {
                return Ok(false);
            }
            // One more than is looked at says whether there are more.
            let limit = LISTED.min(COUNTED + 1 - seen);
            let range = LetterRange { after: self.at.clone(), order: Order::Falling, limit };
            let page = letters.letters(owner, &range).await?;
            self.listing.units += page.units;
            let last = page.answer.len() < limit;
            for stored in page.answer {
                if seen == COUNTED {
                    return Ok(false);
                }
                seen += 1;
                self.at = Some(stored.letter.id.clone());
                self.look(stored.letter, counting);
            }
            if last {
                return Ok(true);
            }
        }
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

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::base::time::Timestamp;
    use crate::memory::Memory;
    use crate::replay::filing::{Received, file, read};

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis).expect("in range")
    }

    /// Messages that nobody knows, one for each millisecond.
    fn memory(count: i64) -> Memory {
        let memory = Memory::new(at(0));
        for millis in 0..count {
            let sent_at = Some(at(millis));
            let received = Received { message_id: "m", body: "?", sent_at };
            let filing = read(&received, at(millis)).expect("filed");
            file(&memory, &filing).now_or_never().expect("ready").expect("filed");
        }
        memory
    }

    fn ask(memory: &Memory, question: &Question) -> Listing {
        list(memory, &Owner::Operator, question).now_or_never().expect("ready").expect("a list")
    }

    fn times(listing: &Listing) -> Vec<i64> {
        listing.letters.iter().map(|letter| letter.ingested_at.micros() / 1_000).collect()
    }

    #[test]
    fn letters_come_the_newest_first_page_by_page_and_all_are_counted() {
        let memory = memory(7);
        let mut question = Question { limit: 3, ..Question::default() };
        let mut pages = Vec::new();
        loop {
            let listing = ask(&memory, &question);
            assert_eq!((listing.total(), listing.complete), (7, true));
            pages.push(times(&listing));
            question.after = listing.next;
            if question.after.is_none() {
                break;
            }
        }
        assert_eq!(pages, [vec![6, 5, 4], vec![3, 2, 1], vec![0]]);
    }

    #[test]
    fn a_page_that_is_just_full_is_the_last() {
        let listing = ask(&memory(3), &Question { limit: 3, ..Question::default() });
        assert_eq!((listing.letters.len(), listing.next), (3, None));
    }

    #[test]
    fn only_what_is_asked_for_is_listed_and_only_what_is_open_is_counted() {
        let memory = memory(4);
        {
            let state = &mut *memory.state();
            let letters = &mut state.filed.get_mut("O#D").expect("letters").letters;
            let letter = &mut letters.values_mut().next().expect("one").letter;
            letter.state = State::Parked;
        }
        let parked = Question { state: State::Parked, limit: 9, ..Question::default() };
        let listing = ask(&memory, &parked);
        assert_eq!((times(&listing), listing.total()), (vec![0], 3));
        let code = Some("too_large".to_owned());
        let none = ask(&memory, &Question { code, limit: 9, ..Question::default() });
        assert!(none.letters.is_empty() && none.next.is_none());
    }

    #[test]
    fn counts_are_bounded_and_the_list_goes_on_behind_them() {
        let count = i64::try_from(COUNTED).expect("a number") + 5;
        let memory = memory(count);
        let question = Question { limit: 2, ..Question::default() };
        let listing = ask(&memory, &question);
        assert_eq!((listing.total(), listing.complete), (COUNTED as u64, false));
        assert_eq!(times(&listing), [count - 1, count - 2]);
        let after = format!("{:012x}{}", 2, "0".repeat(20));
        let oldest = ask(&memory, &Question { after: Some(after), ..question });
        assert_eq!((times(&oldest), oldest.next), (vec![1, 0], None));
    }

    #[test]
    fn as_many_as_are_counted_are_all_there_are() {
        let memory = memory(i64::try_from(COUNTED).expect("a number"));
        let listing = ask(&memory, &Question { limit: 1, ..Question::default() });
        assert_eq!((listing.total(), listing.complete), (COUNTED as u64, true));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let memory = memory(0);
        let ask = |question: Question| {
            list(&memory, &Owner::Operator, &question).now_or_never().expect("ready")
        };
        for question in [
            Question { limit: 0, ..Question::default() },
            Question { limit: LISTED + 1, ..Question::default() },
            Question { limit: 1, code: Some("typo".to_owned()), ..Question::default() },
            Question { limit: 1, after: Some("L".to_owned()), ..Question::default() },
        ] {
            assert!(matches!(ask(question), Err(Refusal::Invalid(_))));
        }
    }
}
