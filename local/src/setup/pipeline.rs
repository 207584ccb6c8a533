//! The pipeline of the functions that commit.

use drover_core::base::limits::ItemLimits;
use drover_core::pipeline::Pipeline;
use drover_core::pipeline::cache::HeadCache;
use drover_core::registry::Registry;

/// Enough for the heads of about ten thousand subjects.
pub(super) const CACHE_BYTES: usize = 64 << 20;
/// The processor's default on Lambda.
pub(super) const CONCURRENCY: usize = 100;

/// The warm state of a function that commits.
pub(crate) fn pipeline() -> Pipeline {
    Pipeline {
        registry: Registry::new(),
        heads: HeadCache::new(CACHE_BYTES),
        item_limits: ItemLimits::STANDARD,
        concurrency: CONCURRENCY,
    }
}
