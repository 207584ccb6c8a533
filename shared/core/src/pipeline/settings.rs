//! What a pipeline is configured with, by the same variables for every function that has one.

use crate::base::limits::ItemLimits;
use crate::base::variables::{Misconfigured, Variables};
use crate::pipeline::Pipeline;
use crate::pipeline::cache::{self, HeadCache};
use crate::registry::Registry;

/// The bounds of a pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PipelineSettings {
    /// `DROVER_CACHE_BYTES`: what warm heads may take, a quarter of the memory by default.
    pub cache_bytes: usize,
    /// `DROVER_CONCURRENCY`: subjects that run together, 1 to 256, 100 by default.
    pub concurrency: usize,
}

impl PipelineSettings {
    /// Reads them.
    ///
    /// # Errors
    /// The first variable that is wrong.
    pub fn read<F>(variables: &Variables<F>) -> Result<Self, Misconfigured>
    where
        F: Fn(&str) -> Option<String>,
    {
        Ok(Self {
            cache_bytes: cache::limit(variables)?,
            concurrency: variables.number("DROVER_CONCURRENCY", 100, 1..=256)?,
        })
    }

    /// A pipeline within these bounds that knows nothing yet.
    pub fn pipeline(self) -> Pipeline {
        Pipeline {
            registry: Registry::new(),
            heads: HeadCache::new(self.cache_bytes),
            item_limits: ItemLimits::STANDARD,
            concurrency: self.concurrency,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_bound_is_named() {
        let read = |concurrency: &str| {
            let set = |name: &str| (name == "DROVER_CONCURRENCY").then(|| concurrency.to_owned());
            let read = PipelineSettings::read(&Variables(set)).map_err(|fault| fault.to_string());
            read.map(|settings| settings.concurrency)
        };
        assert_eq!(read("7"), Ok(7));
        let fault = "DROVER_CONCURRENCY is no number from 1 to 256: value=`0`";
        assert_eq!(read("0"), Err(fault.to_owned()));
    }
}
