//! Tests of injected faults: which calls are executed, and which results the caller gets.

use futures_util::FutureExt as _;

use super::*;
use crate::base::id::{SubjectId, TenantId};
use crate::base::scope::TenantScope;
use crate::dead_letter::message::Message;
use crate::ledger::dialogue::WriteAnswer;
use crate::ledger::{Activity, LedgerWrite, StoredHead};
use crate::memory::Memory;
use crate::ports::{DeadLetters as _, Documents as _, Store as _};

fn memory() -> Faulty<Memory> {
    Faulty::over(Memory::new(Timestamp::MIN))
}

fn location(table: Option<&str>) -> SubjectLocation {
    let scope = TenantScope::by_operator(TenantId::parse("demo").unwrap());
    let key = scope.subject(SubjectId::parse("device/d-1").unwrap());
    SubjectLocation { key, table: table.map(Arc::from) }
}

/// The result of a first write.
fn write(memory: &Faulty<Memory>, location: &SubjectLocation) -> Result<WriteAnswer, Reason> {
    let write = LedgerWrite {
        expected: None,
        head: StoredHead { version: 1, bytes: vec![1] },
        activity: Activity { shard: "s".to_owned(), hour: "h".to_owned() },
        pages: Vec::new(),
    };
    let answer = memory.write(location, &write).now_or_never().unwrap();
    answer.map(|metered| metered.answer).map_err(|error| error.reason)
}

#[test]
fn a_failed_write_is_executed_only_if_its_answer_is_lost_afterwards() {
    let unknown = |reason| Ok(WriteAnswer::Unknown(reason));
    for (fault, told, is_done) in [
        (Fault::None, Ok(WriteAnswer::Written), true),
        (Fault::Refused, Err(Reason::Unreachable), false),
        (Fault::HotKey, unknown(Reason::HotKey), false),
        (Fault::LostBefore, unknown(Reason::Unreachable), false),
        (Fault::LostAfter, unknown(Reason::Unreachable), true),
    ] {
        let memory = memory();
        memory.fail(move |call| if call == Call::Write { fault } else { Fault::None });
        assert_eq!(write(&memory, &location(None)), told, "{fault:?}");
        assert_eq!(!memory.state().heads.is_empty(), is_done, "{fault:?}");
    }
}

#[test]
fn all_messages_without_a_fault_are_sent_in_order() {
    let memory = memory();
    let mut faults = [Fault::None, Fault::LostBefore, Fault::LostAfter, Fault::None].into_iter();
    memory.fail(move |call| {
        assert_eq!(call, Call::Letter);
        faults.next().unwrap()
    });
    let message = |body: &str| Message { tenant: None, body: body.to_owned() };
    let messages = ["a", "b", "c", "d"].map(message);
    let answers = memory.send_letters(&messages).now_or_never().unwrap();
    let told: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(told, [true, false, false, true]);
    let state = memory.state();
    let sent: Vec<&str> = state.letters.iter().map(|message| message.body.as_str()).collect();
    assert_eq!(sent, ["a", "c", "d"]);
}

#[test]
fn a_broken_table_fails_for_its_own_tenant_until_it_is_repaired() {
    let memory = memory();
    memory.break_table("own", Reason::Misconfigured);
    assert_eq!(write(&memory, &location(Some("own"))), Err(Reason::Misconfigured));
    assert_eq!(write(&memory, &location(None)), Ok(WriteAnswer::Written));
    memory.mend_tables();
    assert_eq!(write(&memory, &location(Some("own"))), Ok(WriteAnswer::Written));
}

#[test]
fn clones_share_faults_and_wrappers_can_be_nested() {
    let inner = memory();
    let outer = Faulty::over(inner.clone());
    let name = crate::intake::document::DocumentName::Revision;
    let is_read = || outer.document(&name).now_or_never().unwrap().is_ok();
    assert!(is_read());
    inner.fail(|_| Fault::Refused);
    assert!(!is_read(), "the wrapped ports fail");
    inner.fail_nothing();
    outer.clone().fail(|_| Fault::Refused);
    assert!(!is_read(), "the fault of the clone applies");
}
