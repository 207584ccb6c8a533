//! The pipeline of the functions that commit.

use drover_core::pipeline::Pipeline;
use drover_core::pipeline::settings::PipelineSettings;

/// The settings of every pipeline of the host.
pub(super) const SETTINGS: PipelineSettings = PipelineSettings {
    // Enough for the heads of about ten thousand subjects.
    cache_bytes: 64 << 20,
    // The processor's default on Lambda.
    concurrency: 100,
};

/// The warm state of a function that commits.
pub(crate) fn pipeline() -> Pipeline {
    SETTINGS.pipeline()
}
