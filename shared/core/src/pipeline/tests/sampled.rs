//! A sample has the outcomes that the pipeline would have, and stores nothing.

use super::*;
use crate::intake::contract::{Contract, ContractDocument};
use crate::pipeline::sample::{SampleOutcome, SampleParams, Sampled, sample};

fn sampled(
    memory: &Faulty<Memory>,
    in_place: Option<&Arc<Contract>>,
    record: Record,
) -> Result<Vec<Sampled>, Unavailable> {
    let registry = Registry::new();
    let params = SampleParams { documents: memory, registry: &registry, in_place, now: second(60) };
    sample(&params, record).now_or_never().expect("the memory store never waits")
}

/// The codes of rejections, or what else became of each part.
fn outcomes(
    memory: &Faulty<Memory>,
    in_place: Option<&Arc<Contract>>,
    record: Record,
) -> Vec<String> {
    let parts = sampled(memory, in_place, record).expect("the memory store answers");
    let outcome = |part: Sampled| match part.outcome {
        SampleOutcome::Accepted => "accepted".to_owned(),
        SampleOutcome::Ignored => "ignored".to_owned(),
        SampleOutcome::Rejected(rejection) => rejection.code.to_string(),
    };
    parts.into_iter().map(outcome).collect()
}

fn compiled(document: &str) -> Arc<Contract> {
    let document = ContractDocument::parse(document).expect("a document");
    Arc::new(Contract::compile(&document).expect("a contract"))
}

fn of(text: &str) -> Record {
    Record { value: Some(text.as_bytes().to_vec()), ..record("known", "demo", "d1", 1) }
}

#[test]
fn a_sample_agrees_with_the_pipeline_and_stores_nothing() {
    let with_more = || {
        let (memory, drops) = (memory(), r#""tombstones":"ignore""#);
        memory.put_document("T#acme", r#"{"id":"acme","status":"suspended"}"#);
        let route = format!(r#"{{"contract":"mine","tenant":{{"header":"tenant"}},{drops}}}"#);
        memory.put_document("R#dropping", &route);
        memory
    };
    let memory = with_more();
    let records = [
        (record("known", "demo", "d1", 1), "accepted"),
        (record("known", "nobody", "d1", 2), "unknown_tenant"),
        (record("known", "acme", "d1", 3), "tenant_suspended"),
        (record("elsewhere", "demo", "d1", 4), "unknown_contract"),
        (
            Record { ingested_at: second(60), ..record("known", "demo", "d1", 4_000) },
            "future_timestamp",
        ),
        (of("{\"id\":"), "malformed_json"),
        (of("\0\0\0\0\x07\x04ok"), "unsupported_encoding"),
        (Record { value: None, ..record("dropping", "demo", "d1", 5) }, "ignored"),
    ];
    for (record, expected) in records {
        assert_eq!(outcomes(&memory, None, record.clone()), [expected]);
        assert_eq!((events(&memory), memory.state().letters.len()), (0, 0), "{expected}");
        let disposition = match process(&with_more(), vec![record]).remove(0) {
            Disposition::Applied => "accepted".to_owned(),
            Disposition::Ignored => "ignored".to_owned(),
            Disposition::DeadLettered(code) => code.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(disposition, expected);
    }
}

#[test]
fn each_element_has_its_outcome() {
    let memory = memory();
    memory.put_contract(
        "mine",
        r#"{"name":"mine","subject":{"kind":"device","id":{"path":"/id"}},"type":{"const":"seen"},
            "transform":".[]","ignore":[{"path":"/id","in":["d2"]}],"without_time":"received","payload":{"path":""}}"#,
    );
    let expected = ["accepted", "ignored", "missing_field"];
    let record = of(r#"[{"id":"d1"},{"id":"d2"},{"n":1}]"#);
    assert_eq!(outcomes(&memory, None, record.clone()), expected);
    let numbers = sampled(&memory, None, record).expect("the memory store answers");
    assert_eq!(
        numbers.iter().map(|part| part.element).collect::<Vec<_>>(),
        [Some(0), Some(1), Some(2)]
    );
    assert_eq!(outcomes(&memory, None, of("[]")), ["ignored"]);
}

#[test]
fn a_contract_in_the_place_of_the_routes_reads_the_records_for_its_tenant() {
    let memory = memory();
    let record = of(&format!(r#"{{"device":"d1","at":{NOW}}}"#));
    assert_eq!(outcomes(&memory, None, record.clone()), ["missing_field"]);
    let mended = compiled(&CONTRACT.replace("/id", "/device"));
    assert_eq!(outcomes(&memory, Some(&mended), record.clone()), ["accepted"]);
    // The lenient syntax is that of the contract in place.
    let bare = of(&format!(r#"{{"device":"d1","at":{NOW},"n":NaN}}"#));
    assert_eq!(outcomes(&memory, Some(&mended), bare.clone()), ["malformed_json"]);
    let lenient = CONTRACT.replace("/id", "/device").replacen('{', r#"{"syntax":"lenient","#, 1);
    assert_eq!(outcomes(&memory, Some(&compiled(&lenient)), bare), ["accepted"]);
    let other = Record { headers: Vec::new(), ..record };
    assert_eq!(outcomes(&memory, Some(&mended), other), ["unknown_tenant"]);
}

#[test]
fn a_store_that_does_not_answer_is_no_outcome() {
    let memory = memory();
    fail_documents(&memory, |_| true);
    assert!(sampled(&memory, None, record("known", "demo", "d1", 1)).is_err());
}
