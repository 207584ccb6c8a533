//! Whatever text Lambda might deliver as a Kafka event: the processor does not panic, and its answer
//! names only records of the event. While everything outside works, it names none; while nothing
//! does, it names all of them.

#![no_main]

use std::collections::BTreeSet;
use std::sync::Arc;

use drover_core::memory::Fault;
use drover_core::intake::record::{Receipt, TopicRetention};
use drover_fuzz::{Uncounted, now, pipeline, ports};
use drover_core::intake::kafka_event::{BatchResponse, ItemIdentifier, decode};
use drover_processor::{Failed, Processor};
use lambda_runtime::{Context, LambdaEvent};
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|event: &[u8]| -> Corpus {
    let Ok(event) = std::str::from_utf8(event) else { return Corpus::Reject };
    let receipt = Receipt { now: now(), retention: TopicRetention::WEEK };
    let Ok(decoded) = decode(event, receipt) else { return Corpus::Reject };
    let all: BTreeSet<ItemIdentifier> = decoded.places.into_iter().flatten().collect();
    if let Ok(answer) = handled(event, Fault::None) {
        assert!(answer.batch_item_failures.is_empty(), "{answer:?}");
    }
    if let Ok(answer) = handled(event, Fault::Refused) {
        let failures = answer.batch_item_failures.into_iter();
        assert_eq!(failures.map(|one| one.item_identifier).collect::<BTreeSet<_>>(), all);
    }
    Corpus::Keep
});

/// What a cold environment answers while every call outside ends like this.
fn handled(event: &str, fault: Fault) -> Result<BatchResponse, Failed> {
    let ports = ports();
    ports.fail(move |_call| fault);
    let processor = Processor::new(ports, pipeline(), TopicRetention::WEEK, Arc::new(Uncounted));
    let payload = serde_json::from_str(event).expect("it was decoded");
    futures_executor::block_on(processor.handle(LambdaEvent::new(payload, Context::default())))
}
