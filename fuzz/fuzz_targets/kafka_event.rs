//! Sends arbitrary text as a Kafka event to the processor. The processor must not panic, and its
//! response must list only records of the event. If all dependencies work it lists none; if all
//! fail it lists every record.

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

/// The response of a new environment in which every port call ends with this fault.
fn handled(event: &str, fault: Fault) -> Result<BatchResponse, Failed> {
    let ports = ports();
    ports.fail(move |_call| fault);
    let processor = Processor::new(ports, pipeline(), TopicRetention::WEEK, Arc::new(Uncounted));
    let payload = serde_json::from_str(event).expect("it was decoded");
    futures_executor::block_on(processor.handle(LambdaEvent::new(payload, Context::default())))
}
