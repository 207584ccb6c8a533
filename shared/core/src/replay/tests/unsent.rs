//! Letters about commits that could not be sent to a feed.

use serde_json::json;

use super::fixture::{Bench, location};
use crate::dead_letter::letter::State;
use crate::dead_letter::unsent::Unsent;
use crate::ledger::codec::decode_head;
use crate::ledger::touch::Touch;
use crate::replay::RunRequest;

#[test]
fn a_commit_that_could_not_be_sent_to_a_feed_is_sent_again_by_a_replay() {
    let bench = Bench::new();
    bench.process(&[bench.good("d1", 1)]);
    let key = location("demo", "d1").key;
    let unsent = Unsent::of(&key, "0.1".to_owned(), "too large", bench.at(5));
    for _ in 0..2 {
        bench.file(&unsent.message().expect("JSON").body);
    }
    let owner = Bench::demo();
    let letter = bench.letters(&owner).remove(0).letter;
    assert_eq!((&*letter.code, letter.subject.as_deref()), ("undeliverable", Some("device/d1")));
    assert_eq!(bench.letters(&owner).len(), 1, "a commit has one letter");
    let touched = || {
        let stored = bench.memory.state().heads[&key.partition_key()].clone();
        decode_head(&stored.bytes).expect("a head").touched
    };

    let dry = RunRequest { dry_run: true, ..RunRequest::replay("me") };
    assert_eq!(json!(bench.replay(&owner, dry).run.outcomes), json!({"resent": 1}));
    assert_eq!(touched(), None, "a dry run writes nothing");
    let run = bench.replay(&owner, RunRequest::replay("me")).run;
    assert_eq!(json!(run.outcomes), json!({"resent": 1}));
    assert_eq!(touched(), Some(Touch::Resend));
    assert_eq!(bench.letters(&owner).remove(0).letter.state, State::Resolved);
}
