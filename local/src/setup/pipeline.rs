//! The pipeline of those that commit.

use drover_core::base::limits::ItemLimits;
use drover_core::pipeline::Pipeline;
use drover_core::pipeline::cache::HeadCache;
use drover_core::registry::Registry;

/// Heads of some ten thousand subjects.
pub(super) const CACHE_BYTES: usize = 64 << 20;
/// What the processor has on Lambda unless its environment says otherwise.
pub(super) const CONCURRENCY: usize = 100;

/// What stays warm of whoever commits.
pub(crate) fn pipeline() -> Pipeline {
    Pipeline {
        registry: Registry::new(),
        heads: HeadCache::new(CACHE_BYTES),
        item_limits: ItemLimits::STANDARD,
        concurrency: CONCURRENCY,
    }
}
