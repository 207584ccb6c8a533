//! The settings of a pipeline. Every function that has a pipeline reads the same variables.

use crate::base::limits::ItemLimits;
use crate::base::variables::{Misconfigured, Variables};
use crate::pipeline::Pipeline;
use crate::pipeline::cache::{self, HeadCache};
use crate::registry::Registry;

/// The limits of a pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PipelineSettings {
    /// `DROVER_CACHE_BYTES`: maximum size of the cached heads, in bytes; by default a quarter of the memory
    /// ([`cache::limit`]).
    pub cache_bytes: usize,
    /// `DROVER_CONCURRENCY`: maximum number of subjects that run concurrently on one ledger table, 1 to 256;
    /// 100 by default.
    pub concurrency: usize,
}

impl PipelineSettings {
    /// Reads the settings.
    ///
    /// # Errors
    /// The first variable with an invalid value.
    pub fn read<F>(variables: &Variables<F>) -> Result<Self, Misconfigured>
    where
        F: Fn(&str) -> Option<String>,
    {
        Ok(Self {
            cache_bytes: cache::limit(variables)?,
            concurrency: variables.number("DROVER_CONCURRENCY", 100, 1..=256)?,
        })
    }

    /// A pipeline with these limits and empty caches.
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
    fn an_invalid_value_is_reported_with_its_variable() {
        let read = |concurrency: &str| {
            let set = |name: &str| (name == "DROVER_CONCURRENCY").then(|| concurrency.to_owned());
            let read = PipelineSettings::read(&Variables(set)).map_err(|fault| fault.to_string());
            read.map(|settings| settings.concurrency)
        };
        assert_eq!(read("7"), Ok(7));
        let fault = "DROVER_CONCURRENCY must be a number from 1 to 256: value=`0`";
        assert_eq!(read("0"), Err(fault.to_owned()));
    }
}
