//! Lists and counts letters, newest first, without payloads.

use std::collections::BTreeMap;

use super::{Refusal, request};
use crate::base::cost::{Metered, Units};
use crate::base::error::Unavailable;
use crate::dead_letter::envelope::Content;
use crate::dead_letter::letter::{LISTED, Letter, LetterRange, Order, Owner, State};
use crate::intake::quota::READ_UNIT_BYTES;
use crate::intake::record::is_letter_id;
use crate::ports::Letters;

/// Maximum number of letters that one answer counts, and that it reads for one page.
pub const COUNTED: usize = 10_000;
/// Bytes of letters after which no further page is read, for each of both.
pub const COUNTED_BYTES: f64 = 16.0 * 1024.0 * 1024.0;

/// The query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// Only letters with this code.
    pub code: Option<String>,
    /// Only letters in this state; open by default.
    pub state: State,
    /// Maximum number of letters, from 1 to [`LISTED`].
    pub limit: usize,
    /// Only letters older than this id, which comes from a previous answer.
    pub after: Option<String>,
}

/// Letters, and counts of open letters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listing {
    /// The letters, newest first.
    pub letters: Vec<Letter>,
    /// Where the next page begins; `None` on the last page.
    pub next: Option<String>,
    /// Number of open letters by code.
    pub counts: BTreeMap<String, u64>,
    /// Whether all letters were counted. Counting stops after the newest [`COUNTED`] letters or
    /// [`COUNTED_BYTES`].
    pub complete: bool,
    /// The cost.
    pub units: Units,
}

impl Listing {
    /// Number of open letters with any code.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }
}

/// Lists and counts letters.
///
/// # Errors
/// The code, limit or cursor is invalid, or the table does not answer.
pub async fn list(
    letters: &impl Letters,
    owner: &Owner,
    question: &Question,
) -> Result<Listing, Refusal> {
    if question.code.as_deref().is_some_and(|code| !request::is_code(code)) {
        return Err(Refusal::Invalid("code is not a dead-letter code".to_owned()));
    }
    if !(1..=LISTED).contains(&question.limit) {
        return Err(Refusal::Invalid(format!("limit must be a number from 1 to {LISTED}")));
    }
    if question.after.as_deref().is_some_and(|id| !is_letter_id(id)) {
        return Err(Refusal::Invalid("cursor is invalid".to_owned()));
    }
    let mut scan = Scan { question, listing: Listing::default(), at: None, full: false };
    scan.listing.complete = scan.go(letters, owner, Counting::Yes).await?;
    if !scan.listing.complete && !scan.full {
        // Counting is bounded. The list continues after the counted letters, or after its cursor.
        scan.at = scan.at.take().into_iter().chain(question.after.clone()).min();
        let over = scan.go(letters, owner, Counting::No).await?;
        if !over && !scan.full {
            scan.listing.next = scan.at.take();
        }
    }
    Ok(scan.listing)
}

/// Reads a letter with its content, and the cost. `None` as content: chunks are missing.
///
/// # Errors
/// The table does not answer.
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
    /// The last letter that was read.
    at: Option<String>,
    /// Whether the page is full and the next page has a letter.
    full: bool,
}

impl Scan<'_> {
    /// Reads up to [`COUNTED`] letters and [`COUNTED_BYTES`]. Returns whether the end was reached.
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
            // One more letter than allowed shows whether more follow.
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

    /// Stores unknown messages, one for each millisecond.
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
    fn pages_list_the_newest_letters_first_and_all_letters_are_counted() {
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
    fn an_exactly_full_page_is_the_last() {
        let listing = ask(&memory(3), &Question { limit: 3, ..Question::default() });
        assert_eq!((listing.letters.len(), listing.next), (3, None));
    }

    #[test]
    fn only_matching_letters_are_listed_and_only_open_letters_are_counted() {
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
    fn counts_are_bounded_and_the_list_continues_after_them() {
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
    fn exactly_the_maximum_number_of_letters_is_counted_completely() {
        let memory = memory(i64::try_from(COUNTED).expect("a number"));
        let listing = ask(&memory, &Question { limit: 1, ..Question::default() });
        assert_eq!((listing.total(), listing.complete), (COUNTED as u64, true));
    }

    #[test]
    fn an_invalid_query_is_refused() {
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
