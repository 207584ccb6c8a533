//! Touches: heads that are written though no event came.

use futures_util::FutureExt as _;

use super::*;
use crate::ledger::touch::Touch;
use crate::pipeline::subject::touch;

impl Subject {
    fn touch(&self, reason: Touch) {
        let location = self.location.clone();
        let touched = touch(&self.memory, &self.registry, location, self.params(), reason);
        touched.now_or_never().expect("memory never waits").expect("touched");
    }
}

#[test]
fn a_touch_says_why_and_the_next_commit_does_not() {
    let mut subject = Subject::new(ItemLimits::STANDARD);
    subject.apply([entry(0), entry(100)]);
    let before = subject.head();
    subject.touch(Touch::Resend);
    let touched = Head { version: 2, touched: Some(Touch::Resend), ..before.clone() };
    assert_eq!(subject.head(), touched);
    subject.apply([entry(200)]);
    assert_eq!((subject.head().version, subject.head().touched), (3, None));
    assert_eq!(subject.history(), [0, 100, 200]);
}

#[test]
fn a_restored_subject_begins_an_era_and_keeps_everything_else() {
    let mut subject = Subject::new(ItemLimits::STANDARD);
    subject.apply([entry(0), entry(100)]);
    let before = subject.head();
    subject.touch(Touch::Restored);
    let touched = Head { version: 2, era: 1, touched: Some(Touch::Restored), ..before };
    assert_eq!(subject.head(), touched);
    subject.apply([entry(200)]);
    assert_eq!((subject.head().era, subject.head().version), (1, 3));
    assert_eq!(subject.history(), [0, 100, 200]);
}

#[test]
fn a_release_settles_everything_and_what_comes_before_it_then_makes_an_epoch() {
    let mut subject = Subject::new(ItemLimits::STANDARD);
    subject.apply([entry(0), entry(100)]);
    assert_eq!(subject.head().released, Some(second(40)));
    subject.touch(Touch::Release);
    assert_eq!(subject.head().released, Some(second(100)));
    subject.touch(Touch::Release);
    assert_eq!(subject.head().version, 2, "nothing was left to release");
    subject.apply([entry(90)]);
    assert_eq!((subject.head().epoch, subject.head().released), (1, Some(second(100))));
}

#[test]
fn a_touch_seals_what_was_frozen_and_makes_no_head_where_there_is_none() {
    let subject = Subject::new(SMALL);
    subject.touch(Touch::Resend);
    subject.touch(Touch::Release);
    assert!(subject.memory.state().heads.is_empty());
    let subject = Subject::with_pages(SMALL, 2);
    let frozen = Head { frozen: 1, ..subject.head() };
    subject.store(&frozen);
    subject.touch(Touch::Resend);
    let touched = subject.head();
    assert_eq!((touched.version, touched.frozen), (frozen.version + 1, 0));
    assert_eq!(subject.pages().len(), 3);
    check_holding(&subject);
}

#[test]
fn a_touch_whose_answer_was_lost_is_written_once() {
    let mut subject = Subject::new(ItemLimits::STANDARD);
    subject.apply([entry(0)]);
    let mut armed = true;
    subject.fail(move |call| {
        let fails = call == Call::Write && std::mem::take(&mut armed);
        if fails { Fault::LostAfter } else { Fault::None }
    });
    subject.touch(Touch::Resend);
    assert_eq!((subject.head().version, subject.head().touched), (2, Some(Touch::Resend)));
}
