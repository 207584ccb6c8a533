//! Tests of records from the buffer queue after the registry has changed.

use super::*;
use crate::dead_letter::opened::{Opened, open};
use crate::intake::record::TopicRetention;
use crate::replay::filing::{Filing, Received, read};

/// Puts a record of `demo` into the buffer, changes the registry, and drains the buffer in a cold
/// environment. Returns the disposition of the record, and the tenant and code of each letter.
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
fn a_buffered_record_keeps_its_tenant() {
    assert_eq!(drain_after(|_| ()), (Disposition::Applied, Vec::new()));
    let (disposition, letters) = drain_after(|memory| {
        memory.put_document("R#known", r#"{"contract":"mine","tenant":{"const":"acme"}}"#);
    });
    assert_eq!(disposition, Disposition::DeadLettered(Code::TenantMismatch));
    let demo = |code: &str| vec![(Some("demo".to_owned()), code.to_owned())];
    assert_eq!(letters, demo("tenant_mismatch"), "the letter belongs to the owner");
}

/// Otherwise a replay by the operator would take the tenant from a later route.
#[test]
fn the_letter_of_a_buffered_record_belongs_to_its_tenant_for_every_code() {
    let (_, letters) = drain_after(|memory| drop(memory.state().documents.remove("R#known")));
    assert_eq!(letters, [(Some("demo".to_owned()), "unknown_contract".to_owned())]);
    let (_, letters) = drain_after(|memory| drop(memory.state().documents.remove("T#demo")));
    assert_eq!(letters, [(Some("demo".to_owned()), "unknown_tenant".to_owned())]);
}
