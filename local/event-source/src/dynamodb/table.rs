//! The stream of a table as a [`Stream`], through the public APIs of DynamoDB: on AWS, in DynamoDB
//! Local, and in the embedded DynamoDB.
//!
//! The table is described once, because not every service states the table's key with the stream.

use aws_sdk_dynamodb::types::KeyType;
use aws_sdk_dynamodbstreams::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_dynamodbstreams::operation::get_records::GetRecordsError;
use aws_sdk_dynamodbstreams::operation::get_shard_iterator::GetShardIteratorError;
use aws_sdk_dynamodbstreams::types::ShardIteratorType;
use drover_aws::calls::unavailable;
use drover_core::base::error::{Reason, Unavailable};

use super::stream::{ListedShard, Page, StartAt, Stream, StreamError};

/// The maximum number of listed shards: DescribeStream returns 100 at once.
const PAGES: usize = 1_000;

/// The stream of one table.
#[derive(Clone, Debug)]
pub struct TableStream {
    client: aws_sdk_dynamodbstreams::Client,
    arn: String,
    partition_key: String,
}

impl TableStream {
    /// Looks up the table's newest stream.
    ///
    /// # Errors
    /// DynamoDB does not answer, or the table does not exist; [`Reason::Misconfigured`] if the
    /// table has no stream.
    pub async fn open(
        tables: &aws_sdk_dynamodb::Client,
        client: aws_sdk_dynamodbstreams::Client,
        table: &str,
    ) -> Result<Self, Unavailable> {
        let described = tables.describe_table().table_name(table).send().await;
        let described = described.map_err(|error| unavailable("describing a table", &error))?;
        let without =
            |what| Unavailable::new(Reason::Misconfigured, format!("{what}: table=`{table}`"));
        let found = described.table().ok_or_else(|| without("the table has no description"))?;
        let keys = found.key_schema().iter();
        let key = keys.clone().find(|key| *key.key_type() == KeyType::Hash);
        let partition_key = key.map(|key| key.attribute_name().to_owned());
        let arn = found.latest_stream_arn().map(str::to_owned);
        Ok(Self {
            client,
            arn: arn.ok_or_else(|| without("the table has no stream"))?,
            partition_key: partition_key.ok_or_else(|| without("the table has no key"))?,
        })
    }
}

impl Stream for TableStream {
    fn arn(&self) -> &str {
        &self.arn
    }

    fn partition_key(&self) -> &str {
        &self.partition_key
    }

    async fn shards(&self) -> Result<Vec<ListedShard>, Unavailable> {
        let (mut shards, mut from) = (Vec::new(), None);
        for _ in 0..PAGES {
            let request = self.client.describe_stream().stream_arn(&self.arn);
            let described = request.set_exclusive_start_shard_id(from).send().await;
            let described =
                described.map_err(|error| unavailable("describing a stream", &error))?;
            let Some(described) = described.stream_description() else { break };
            shards.extend(described.shards().iter().filter_map(|shard| {
                let parent = shard.parent_shard_id().map(str::to_owned);
                Some(ListedShard { id: shard.shard_id()?.to_owned(), parent })
            }));
            from = described.last_evaluated_shard_id().map(str::to_owned);
            if from.is_none() {
                return Ok(shards);
            }
        }
        Err(Unavailable::new(Reason::Unreachable, "the list of shards does not end"))
    }

    async fn iterator(&self, shard: &str, start: &StartAt) -> Result<String, StreamError> {
        let (kind, after) = match start {
            StartAt::TrimHorizon => (ShardIteratorType::TrimHorizon, None),
            StartAt::Latest => (ShardIteratorType::Latest, None),
            StartAt::After(sequence) => {
                (ShardIteratorType::AfterSequenceNumber, Some(sequence.as_str().to_owned()))
            }
        };
        let request = self.client.get_shard_iterator().stream_arn(&self.arn).shard_id(shard);
        let request = request.shard_iterator_type(kind).set_sequence_number(after);
        let got = request.send().await.map_err(|error| failed_iterator(&error))?;
        let none = || Unavailable::new(Reason::Unreachable, "an answer without an iterator");
        Ok(got.shard_iterator.ok_or_else(none)?)
    }

    async fn records(&self, iterator: &str, limit: usize) -> Result<Page, StreamError> {
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let request = self.client.get_records().shard_iterator(iterator).limit(limit);
        let got = request.send().await.map_err(|error| failed_records(&error))?;
        Ok(Page { records: got.records.unwrap_or_default(), next: got.next_shard_iterator })
    }
}

fn failed_iterator(error: &SdkError<GetShardIteratorError>) -> StreamError {
    let known = error.as_service_error().and_then(|error| of_code(error.code()));
    known.unwrap_or_else(|| unavailable("getting an iterator", error).into())
}

fn failed_records(error: &SdkError<GetRecordsError>) -> StreamError {
    let known = error.as_service_error().and_then(|error| of_code(error.code()));
    known.unwrap_or_else(|| unavailable("reading a stream", error).into())
}

fn of_code(code: Option<&str>) -> Option<StreamError> {
    match code? {
        "ExpiredIteratorException" => Some(StreamError::Expired),
        "TrimmedDataAccessException" => Some(StreamError::Trimmed),
        "ResourceNotFoundException" => Some(StreamError::Gone),
        _ => None,
    }
}
