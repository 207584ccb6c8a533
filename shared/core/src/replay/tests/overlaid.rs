//! The overlay behaves like a store and does not change the store below it.

use proptest::prelude::*;
use serde_json::json;

use super::fixture::{Bench, WIDE, location, pipeline};
use crate::base::time::Timestamp;
use crate::intake::record::{Incoming, Record};
use crate::ledger::read::{Question, Snapshot};
use crate::pipeline::{Pipeline, RecordOutcome};
use crate::ports::{Clock, Ports, Store};
use crate::replay::overlay::Overlay;
use crate::replay::{Phase, RunRequest};
use crate::subject::reader;

fn settle(
    bench: &Bench,
    pipeline: &Pipeline,
    ports: &impl Ports,
    records: &[Record],
) -> Vec<RecordOutcome> {
    let records = records.iter().cloned().map(Incoming::Record).collect();
    let admitted = bench.run(pipeline.admit(ports, records, None, Timestamp::MAX));
    let (settled, _) = bench.run(pipeline.settle(ports, admitted, Timestamp::MAX));
    settled.iter().map(|settled| settled.outcome().clone()).collect()
}

fn history(bench: &Bench, store: &(impl Store + Clock), device: &str) -> Option<Snapshot> {
    let all = Question::History { from: None, to: None };
    bench.run(reader::read(store, &location("demo", device), all)).expect("readable").0
}

proptest! {
    #[test]
    fn writes_to_the_overlay_are_read_like_writes_to_the_store(
        below in prop::collection::vec((0_u8..2, 0_i64..50), 0..40),
        above in prop::collection::vec(prop::collection::vec((0_u8..2, 0_i64..50), 1..8), 1..6),
        warm in any::<bool>(),
    ) {
        let (real, over) = (Bench::new(), Bench::new());
        let record = |bench: &Bench, (device, at): &(u8, i64)| bench.good(&format!("d{device}"), *at);
        for bench in [&real, &over] {
            let records: Vec<Record> = below.iter().map(|one| record(bench, one)).collect();
            bench.process(&records);
        }
        let before = over.everything();
        let overlay = Overlay::new(&over.memory);
        let (mut in_it, mut over_it) = (pipeline(), pipeline());
        for batch in &above {
            if !warm {
                (in_it, over_it) = (pipeline(), pipeline());
            }
            let records: Vec<Record> = batch.iter().map(|one| record(&real, one)).collect();
            let expected = settle(&real, &in_it, &real.memory, &records);
            prop_assert_eq!(settle(&over, &over_it, &overlay, &records), expected);
        }
        for device in ["d0", "d1"] {
            let expected = history(&real, &real.memory, device);
            prop_assert_eq!(history(&over, &overlay, device), expected);
        }
        prop_assert_eq!(over.everything(), before);
    }
}

#[test]
fn a_dry_run_starts_again_after_another_writer_has_changed_pages_below_it() {
    let bench = Bench::in_steps();
    let records: Vec<Record> = (10..50).map(|at| bench.good("d1", at)).collect();
    records.chunks(4).for_each(|records| drop(bench.process(records)));
    bench.process(&[bench.narrow("d1", 51), bench.narrow_late("d1", 55, 4)]);
    bench.file_all();
    bench.put_contract("mine", WIDE);
    let owner = Bench::demo();
    let request = RunRequest { dry_run: true, rate: 1, ..RunRequest::replay("me") };
    let mut running = bench.start(&owner, request);
    let first = || bench.runs(&owner).first().is_some_and(|run| run.examined == 1);
    bench.poll_until(&mut running, first);
    for at in [3, 5, 6] {
        bench.process(&[bench.good("d1", at)]);
    }
    let run = bench.finish(running).expect("worked").run;
    assert_eq!((run.phase, run.reason), (Phase::Done, None));
    assert_eq!(json!(run.outcomes), json!({"applied": 2}));
}
