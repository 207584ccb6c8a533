//! Records that waited in the buffer, and what the registry says when they come back.

use super::*;
use crate::dead_letter::opened::{Opened, open};
use crate::intake::record::TopicRetention;
use crate::replay::filing::{Filing, Received, read};

/// Puts a record of demo into the buffer, changes the registry, and drains the buffer with a fresh
/// environment. Gives what became of the record, and of which tenant the letters are and why.
fn drain_after(change: impl FnOnce(&Memory)) -> (Disposition, Vec<(Option<String>, String)>) {
    let memory = memory();
    break_heads(&memory, &["d0"]);
    let all = ["d0", "d1", "d2", "d3"].map(|device| known(device, 1));
    process(&memory, all.into());
    memory.state().heads.clear();
    change(&memory);
    let waiting = std::mem::take(&mut memory.state().buffer);
    let buffered = waiting.iter().map(|message| {
        let received = Received { message_id: "m", body: &message.body, sent_at: None };
        let filing = read(&received, second(60)).expect("filed");
        let Filing { owner, letter, chunks } = filing;
        let Opened::Record(incoming) =
            open(&owner, &letter, &chunks[0].bytes, TopicRetention::WEEK)
        else {
            panic!("a record waits")
        };
        Buffered { owner: owner.tenant().cloned(), incoming }
    });
    let report = pipeline().drain(&memory, buffered.collect(), Timestamp::MAX).now_or_never();
    let report = report.expect("memory never waits").expect("a closed breaker");
    let state = memory.state();
    let letters = state.letters.iter().map(|message| {
        let envelope = Envelope::read(&message.body).expect("an envelope");
        (envelope.tenant, envelope.code)
    });
    let [disposition] = report.dispositions[..] else { panic!("one record waits") };
    if disposition != Disposition::Applied {
        assert!(state.heads.is_empty(), "nothing is in a ledger");
    }
    (disposition, letters.collect())
}

#[test]
fn a_record_that_waited_is_of_the_tenant_that_it_was_of_before() {
    assert_eq!(drain_after(|_| ()), (Disposition::Applied, Vec::new()));
    let (disposition, letters) = drain_after(|memory| {
        memory.put_document("R#known", r#"{"contract":"mine","tenant":{"const":"acme"}}"#);
    });
    assert_eq!(disposition, Disposition::DeadLettered(Code::TenantMismatch));
    let demo = |code: &str| vec![(Some("demo".to_owned()), code.to_owned())];
    assert_eq!(letters, demo("tenant_mismatch"), "the letter is its owner's");
}

/// Else the operator's replay would ask the route that comes later whose it is.
#[test]
fn the_letter_of_a_record_that_waited_is_its_owners_whatever_it_is_rejected_for() {
    let (_, letters) = drain_after(|memory| drop(memory.state().documents.remove("R#known")));
    assert_eq!(letters, [(Some("demo".to_owned()), "unknown_contract".to_owned())]);
    let (_, letters) = drain_after(|memory| drop(memory.state().documents.remove("T#demo")));
    assert_eq!(letters, [(Some("demo".to_owned()), "unknown_tenant".to_owned())]);
}
