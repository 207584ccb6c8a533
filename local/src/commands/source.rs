//! The flags of an event source mapping, for the commands that run one.

use std::time::Duration;

use clap::{Args, ValueEnum};
use drover_event_source::kafka::{Batching, HeaderBytes, OnFunctionError, Reading, Rules};

use crate::mapping::MappingConfig;

/// Lambda's range: <https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html>
const BATCH_SIZES: std::ops::RangeInclusive<u64> = 1..=10_000;

/// The settings of a mapping, in Lambda's terms where possible.
#[derive(Args, Clone, Debug)]
pub struct SourceArgs {
    /// Maximum records of one event, 1 to 10000
    #[arg(long, value_name = "RECORDS", value_parser = batch_size)]
    batch_size: Option<usize>,
    /// How long a record waits for others to share its event
    #[arg(long, value_name = "MILLISECONDS")]
    window_ms: Option<u64>,
    /// Records to retry when a response names failed records: all records from the lowest offset,
    /// or only the listed records
    #[arg(long, value_name = "READING", value_enum, default_value_t)]
    partial_response: PartialResponse,
    /// Retries of a failed batch before it is discarded, as MaximumRetryAttempts; -1 means
    /// unlimited
    #[arg(
        long,
        value_name = "RETRIES",
        default_value_t = -1,
        allow_hyphen_values = true,
        value_parser = clap::value_parser!(i64).range(-1..=10_000)
    )]
    max_attempts: i64,
    /// Maximum age of a record, as MaximumRecordAgeInSeconds; older records are discarded, -1 means
    /// unlimited
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = -1,
        allow_hyphen_values = true,
        value_parser = clap::value_parser!(i64).range(-1..=604_800)
    )]
    max_age_seconds: i64,
    /// After a function error, retry the batch in two halves
    #[arg(long)]
    bisect: bool,
    /// Write header bytes as 0 to 255 instead of -128 to 127
    #[arg(long)]
    unsigned_headers: bool,
}

/// The records to retry after a partial failure.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum PartialResponse {
    /// All records from the lowest offset.
    #[default]
    Resume,
    /// The listed records only.
    Listed,
}

impl SourceArgs {
    /// The settings; `batching` holds the defaults of the two batching flags.
    pub(super) fn config(&self, batching: Batching) -> MappingConfig {
        let records = self.batch_size.unwrap_or(batching.records);
        let window = self.window_ms.map_or(batching.window, Duration::from_millis);
        let on_function_error =
            if self.bisect { OnFunctionError::Bisect } else { OnFunctionError::SendAgain };
        let reading = match self.partial_response {
            PartialResponse::Resume => Reading::Resume,
            PartialResponse::Listed => Reading::Listed,
        };
        let oldest = u64::try_from(self.max_age_seconds).ok().map(Duration::from_secs);
        let retries = u32::try_from(self.max_attempts).ok();
        let header_bytes =
            if self.unsigned_headers { HeaderBytes::Unsigned } else { HeaderBytes::Signed };
        MappingConfig {
            batching: Batching { records, window },
            rules: Rules { reading, on_function_error, retries, oldest },
            header_bytes,
        }
    }
}

fn batch_size(text: &str) -> Result<usize, String> {
    let size = text.parse::<u64>().ok().filter(|size| BATCH_SIZES.contains(size));
    let size = size.and_then(|size| usize::try_from(size).ok());
    size.ok_or_else(|| "expected a batch size of 1 to 10000 records".to_owned())
}
