//! Creates the tables for the local host and tests. On AWS `infra/state.yaml` creates the same
//! tables: change both together.
//!
//! | table | key | also |
//! |---|---|---|
//! | ledger | `pk` (S), `sk` (B) | index `activity`: `a` (S), `h` (S), keys only; TTL `x` |
//! | registry | `pk` (S) | |
//! | letters | `pk` (S), `sk` (S) | TTL `x` |
//! | requests | `pk` (S) | TTL `x` |
//! | outputs | `pk` (S), `sk` (S) | indexes `alerts`: `g` (S), `i` (S), and `open`: `o` (S), `i` (S), both whole items; TTL `x` |
//!
//! On AWS the ledger also has a change stream with both images; here [`enable_stream`] switches it on
//! where a reader needs it.
//!
//! All tables are billed on demand. The code does not wait for a table to become active: in the
//! embedded services it is active at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata as _};
use aws_sdk_dynamodb::operation::create_table::builders::CreateTableFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, StreamSpecification, StreamViewType,
    TimeToLiveSpecification,
};
use drover_core::base::error::{Reason, Unavailable};

use crate::calls::{patient_timeouts, unavailable};

/// The ledger's index that listings read.
pub const ACTIVITY_INDEX: &str = "activity";
/// The index of outputs with all alerts of a tenant.
pub const ALERTS_INDEX: &str = "alerts";
/// The index of outputs with the open alerts of a tenant.
pub const OPEN_ALERTS_INDEX: &str = "open";

/// The table of the change stream `arn:aws:dynamodb:<region>:<account>:table/<table>/stream/<time>`.
pub fn table_of_stream(arn: &str) -> Option<&str> {
    arn.split_once(":table/")?.1.split('/').next()
}

/// Table names, each of at least three characters, as DynamoDB requires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableNames {
    /// Subjects: heads and pages.
    pub ledger: Arc<str>,
    /// Tenants, contracts and routes.
    pub registry: Arc<str>,
    /// Stored dead letters.
    pub letters: Arc<str>,
    /// Answers to requests with an idempotency key.
    pub requests: Arc<str>,
    /// Timers and alerts.
    pub outputs: Arc<str>,
}

/// Creates the missing tables and leaves existing tables unchanged.
///
/// # Errors
/// DynamoDB is unreachable or rejects the call.
pub async fn create_tables(client: &Client, names: &TableNames) -> Result<(), Unavailable> {
    let client = &patient(client);
    let text = ScalarAttributeType::S;
    let ledger = Table::new(&names.ledger).sorted(ScalarAttributeType::B);
    create(client, ledger.indexed(&LEDGER_INDEXES)).await?;
    create(client, Table::new(&names.registry)).await?;
    create(client, Table::new(&names.letters).sorted(text.clone())).await?;
    create(client, Table::new(&names.requests)).await?;
    create(client, Table::new(&names.outputs).sorted(text).indexed(&OUTPUTS_INDEXES)).await?;
    for table in [&names.ledger, &names.letters, &names.requests, &names.outputs] {
        expire(client, table).await?;
    }
    Ok(())
}

/// Switches on the change stream of a table, with both images. A table that has a stream keeps it.
///
/// # Errors
/// DynamoDB is unreachable or rejects the call.
pub async fn enable_stream(client: &Client, table: &str) -> Result<(), Unavailable> {
    let client = &patient(client);
    let described = client.describe_table().table_name(table).send().await;
    let described = described.map_err(|error| unavailable("describing a table", &error))?;
    let known = described.table().and_then(|table| table.stream_specification());
    if known.is_some_and(|known| known.stream_enabled()) {
        return Ok(());
    }
    let both = StreamSpecification::builder()
        .stream_enabled(true)
        .stream_view_type(StreamViewType::NewAndOldImages)
        .build()
        .map_err(|_| incomplete())?;
    let request = client.update_table().table_name(table).stream_specification(both);
    let switched = request.send().await;
    switched.map(drop).map_err(|error| unavailable("switching a stream on", &error))
}

/// Whether a table of this name exists.
///
/// # Errors
/// DynamoDB is unreachable or rejects the call.
pub async fn table_exists(client: &Client, name: &str) -> Result<bool, Unavailable> {
    match client.describe_table().table_name(name).send().await {
        Ok(_) => Ok(true),
        Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(false),
        Err(error) => Err(unavailable("looking for a table", &error)),
    }
}

/// The change stream of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeStream {
    /// The ARN. A stream that is switched off and on again has another one.
    pub arn: String,
    /// Whether records have the old and the new item.
    pub has_both_images: bool,
}

/// Looks up the change stream of a table; `None`: the table does not exist or has no stream.
///
/// # Errors
/// DynamoDB is unreachable or rejects the call.
pub async fn change_stream(
    client: &Client,
    table: &str,
) -> Result<Option<ChangeStream>, Unavailable> {
    let described = match client.describe_table().table_name(table).send().await {
        Ok(described) => described,
        Err(error) if error.code() == Some("ResourceNotFoundException") => return Ok(None),
        Err(error) => return Err(unavailable("looking for a stream", &error)),
    };
    let Some(table) = described.table() else { return Ok(None) };
    let on = table.stream_specification().filter(|stream| stream.stream_enabled());
    let stream = on.zip(table.latest_stream_arn()).map(|(stream, arn)| ChangeStream {
        arn: arn.to_owned(),
        has_both_images: stream.stream_view_type() == Some(&StreamViewType::NewAndOldImages),
    });
    Ok(stream)
}

/// An index. Its keys are strings.
struct Index {
    name: &'static str,
    hash: &'static str,
    range: &'static str,
    projection: ProjectionType,
}

const LEDGER_INDEXES: [Index; 1] =
    [Index { name: ACTIVITY_INDEX, hash: "a", range: "h", projection: ProjectionType::KeysOnly }];
const OUTPUTS_INDEXES: [Index; 2] = [
    Index { name: ALERTS_INDEX, hash: "g", range: "i", projection: ProjectionType::All },
    Index { name: OPEN_ALERTS_INDEX, hash: "o", range: "i", projection: ProjectionType::All },
];

impl Index {
    fn request(&self) -> Result<GlobalSecondaryIndex, BuildError> {
        let projection = Projection::builder().projection_type(self.projection.clone()).build();
        GlobalSecondaryIndex::builder()
            .index_name(self.name)
            .key_schema(key(self.hash, KeyType::Hash)?)
            .key_schema(key(self.range, KeyType::Range)?)
            .projection(projection)
            .build()
    }
}

struct Table<'a> {
    name: &'a str,
    sort_key: Option<ScalarAttributeType>,
    indexes: &'a [Index],
}

impl<'a> Table<'a> {
    fn new(name: &'a str) -> Self {
        Self { name, sort_key: None, indexes: &[] }
    }

    fn sorted(self, sort_key: ScalarAttributeType) -> Self {
        Self { sort_key: Some(sort_key), ..self }
    }

    fn indexed(self, indexes: &'a [Index]) -> Self {
        Self { indexes, ..self }
    }

    fn request(self, client: &Client) -> Result<CreateTableFluentBuilder, BuildError> {
        let text = ScalarAttributeType::S;
        let mut request = client
            .create_table()
            .table_name(self.name)
            .billing_mode(BillingMode::PayPerRequest)
            .key_schema(key("pk", KeyType::Hash)?)
            .attribute_definitions(attribute("pk", text.clone())?);
        if let Some(sort_key) = self.sort_key {
            request = request
                .key_schema(key("sk", KeyType::Range)?)
                .attribute_definitions(attribute("sk", sort_key)?);
        }
        for index in self.indexes {
            request = request.global_secondary_indexes(index.request()?);
        }
        // Indexes may share an attribute, which is defined once.
        let keys = self.indexes.iter().flat_map(|index| [index.hash, index.range]);
        for name in keys.collect::<BTreeSet<_>>() {
            request = request.attribute_definitions(attribute(name, text.clone())?);
        }
        Ok(request)
    }
}

/// Longer timeouts: a machine that starts every service at once is slow.
fn patient(client: &Client) -> Client {
    let config = client.config().to_builder().timeout_config(patient_timeouts());
    Client::from_conf(config.build())
}

async fn create(client: &Client, table: Table<'_>) -> Result<(), Unavailable> {
    let request = table.request(client).map_err(|_| incomplete())?;
    match request.send().await {
        Ok(_) => Ok(()),
        Err(error) if error.code() == Some("ResourceInUseException") => Ok(()),
        Err(error) => Err(unavailable("creating a table", &error)),
    }
}

/// Switches expiry on. A service that does not support expiry, or has it on already, is no error.
async fn expire(client: &Client, table: &str) -> Result<(), Unavailable> {
    let switch = TimeToLiveSpecification::builder().attribute_name("x").enabled(true).build();
    let switch = switch.map_err(|_| incomplete())?;
    let request = client.update_time_to_live().table_name(table).time_to_live_specification(switch);
    match request.send().await {
        Ok(_) => Ok(()),
        Err(error) => match error.code() {
            Some("ValidationException" | "UnknownOperationException") => Ok(()),
            _ => Err(unavailable("switching expiry on", &error)),
        },
    }
}

fn key(name: &str, role: KeyType) -> Result<KeySchemaElement, BuildError> {
    KeySchemaElement::builder().attribute_name(name).key_type(role).build()
}

fn attribute(name: &str, kind: ScalarAttributeType) -> Result<AttributeDefinition, BuildError> {
    AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build()
}

fn incomplete() -> Unavailable {
    Unavailable::new(Reason::Bug, "cannot build the request for a table")
}
