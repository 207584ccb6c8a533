//! Units per event, from the embedded DynamoDB's `ConsumedCapacity` through the real SDK, on a warm
//! environment.

use anyhow::{Context, anyhow};
use drover_core::base::limits::ItemLimits;
use drover_core::base::metrics::Metric;
use drover_core::base::time::Timestamp;
use drover_core::intake::kafka_event as kafka;
use drover_core::intake::record::{Receipt, TopicRetention};
use drover_core::pipeline::Pipeline;
use drover_core::pipeline::cache::HeadCache;
use drover_core::registry::Registry;

use crate::load::{DOCUMENTS, Load};
use crate::print;

const EVENTS: i64 = 2_000;
/// The promises of the design: events per subject and batch, write units in order, and with one in
/// ten late.
const PROMISED: [(usize, f64, f64); 4] =
    [(1, 1.1, 1.4), (2, 0.6, 0.9), (5, 0.3, 0.55), (10, 0.25, 0.45)];

pub(crate) fn run() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    print("events per subject and batch | late | write units | promised | read units, per event");
    for late in [false, true] {
        for (per_subject, in_order, disordered) in PROMISED {
            let promised = if late { disordered } else { in_order };
            let (write, read) = runtime.block_on(measure(per_subject, late))?;
            let kept = if write <= promised { "kept" } else { "BROKEN" };
            print(&format!(
                "{per_subject:>2} | {} | {write:.3} | {promised} {kept} | {read:.3}",
                if late { "10 %" } else { "none" },
            ));
        }
    }
    Ok(())
}

async fn measure(per_subject: usize, late: bool) -> anyhow::Result<(f64, f64)> {
    let ports = ports(&format!("units-{per_subject}-{late}")).await?;
    let pipeline = Pipeline {
        registry: Registry::new(),
        heads: HeadCache::new(8 << 20),
        item_limits: ItemLimits::STANDARD,
        concurrency: 100,
    };
    let mut load = Load::new(1, EVENTS, late);
    let (mut write, mut read, mut events) = (0.0, 0.0, 0.0);
    let now = Timestamp::from_millis(1_800_000_000_000).context("now")?;
    let receipt = Receipt { now, retention: TopicRetention::LONGEST };
    while let Some(batch) = load.batch(per_subject) {
        let decoded = kafka::decode(&batch, receipt)?;
        let report = pipeline.process(&ports, decoded.records, Timestamp::MAX).await?;
        write += report.tally.total(Metric::WriteUnits);
        read += report.tally.total(Metric::ReadUnits);
        events += report.tally.total(Metric::EventsProcessed);
    }
    Ok((write / events, read / events))
}

/// The DynamoDB of the suites, which is the embedded one unless `DROVER_TEST_DYNAMODB` names another, with its
/// own ledger table and the documents of the load.
pub(crate) async fn ports(ledger: &str) -> anyhow::Result<drover_aws::Aws> {
    let aws =
        drover_tests::dynamodb::ports_with(ledger).await.map_err(|error| anyhow!("{error}"))?;
    for (key, json) in DOCUMENTS {
        let registry = drover_tests::dynamodb::table(drover_tests::dynamodb::REGISTRY);
        let put = aws.dynamodb().put_item().table_name(&*registry);
        let text = |text: &str| aws_sdk_dynamodb::types::AttributeValue::S(text.to_owned());
        let number = aws_sdk_dynamodb::types::AttributeValue::N("1".to_owned());
        put.item("pk", text(key)).item("d", text(json)).item("v", number).send().await?;
    }
    Ok(aws)
}
