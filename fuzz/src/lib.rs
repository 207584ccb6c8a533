//! Shared by the targets: in-memory ports with the demo tenants and topics of the local host. They
//! are created for each input, so that inputs do not influence each other.

use drover_core::base::limits::ItemLimits;
use drover_core::memory::{Faulty, Memory};
use drover_core::base::metrics::{Meter, Tally};
use drover_core::pipeline::Pipeline;
use drover_core::pipeline::cache::HeadCache;
use drover_core::ports::Clock as _;
use drover_core::registry::{Change, Registry, Stored, Submitted, Text};
use drover_core::base::time::Timestamp;

/// The time of every input, which is the time of most files in `events/`.
pub const NOW: &str = "2026-11-21T06:05:00Z";

/// [`NOW`] as a timestamp.
pub fn now() -> Timestamp {
    Timestamp::parse_rfc3339(NOW).expect("a time")
}

/// Everything outside, with the documents of `local/config`.
pub fn ports() -> Faulty<Memory> {
    let memory = Faulty::over(Memory::new(now()));
    let text = |origin: &str, json: &str| Text { origin: origin.to_owned(), json: json.to_owned() };
    let submitted = Submitted {
        tenants: vec![
            text("demo", include_str!("../../local/config/tenants/demo.json")),
            text("acme", include_str!("../../local/config/tenants/acme.json")),
        ],
        contracts: Vec::new(),
        topics: Some(text("topics", include_str!("../../local/config/topics.json"))),
        rules: Vec::new(),
    };
    let checked = submitted.check().expect("documents");
    let plan = checked.plan(&Stored::new(), ("fuzz", memory.now())).expect("a plan");
    for write in plan.writes {
        if let Change::Put { document, .. } = write.change {
            memory.state().documents.insert(write.name.storage_key(), document);
        }
    }
    memory
}

/// A pipeline with empty caches.
pub fn pipeline() -> Pipeline {
    Pipeline {
        registry: Registry::new(),
        heads: HeadCache::new(1 << 20),
        item_limits: ItemLimits::STANDARD,
        concurrency: 8,
    }
}

/// Discards counts.
pub struct Uncounted;

impl Meter for Uncounted {
    fn record(&self, _function: &'static str, _tally: &Tally, _now: Timestamp) {}
}
