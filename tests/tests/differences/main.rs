//! Differences and agreements between DynamoDB Local and the embedded DynamoDB: each observation is
//! checked on both, so that a change of either fails. A comment names the behavior that AWS
//! documents. The other suites show that Drover works on both.
//!
//! Without `DROVER_TEST_DYNAMODB`, the observations of DynamoDB Local are reported as ignored.

#![expect(clippy::expect_used, reason = "test helpers fail like tests")]
#![recursion_limit = "256"]

use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConsumedCapacity, KeysAndAttributes, ReturnConsumedCapacity,
    ReturnValuesOnConditionCheckFailure, TimeToLiveSpecification,
};
use drover_aws::tables::ACTIVITY_INDEX;
use drover_core::base::time::Timestamp;
use drover_core::ports::Clock as _;
use drover_tests::dynamodb::{LEDGER, REQUESTS, chosen, embedded, ports, table};
use drover_tests::service;
use libtest_mimic::{Arguments, Trial};

use crate::statements::{rejected_statements, statements_with_conditions, the_units_of_statements};
use crate::transactions::{
    a_repeated_transaction, reasons_of_a_cancelled_transaction, the_units_of_a_transaction,
    transactions_on_one_item_at_once, transactions_that_no_condition_saves,
};

mod statements;
mod transactions;

/// A DynamoDB, and its ledger table.
#[derive(Clone)]
struct Database {
    client: Client,
    table: String,
    /// How long to wait for a change that may not happen.
    patience: Duration,
    now: Timestamp,
}

type Seen = Pin<Box<dyn Future<Output = String>>>;

/// An action and its observed result.
struct Observation {
    about: &'static str,
    seen: fn(Database) -> Seen,
    embedded: &'static str,
    local: &'static str,
}

macro_rules! observations {
    ($($observe:ident: $embedded:expr, $local:expr;)*) => {
        [$(Observation {
            about: stringify!($observe),
            seen: |database| Box::pin($observe(database)),
            embedded: $embedded,
            local: $local,
        }),*]
    };
}

fn differences() -> Vec<Observation> {
    observations! {
        // AWS counts the smallest unit for a read that finds nothing.
        a_query_that_finds_nothing: "1 0.5 0.5", "0 0 0";
        // Like the previous observation: a missing key counts as a read.
        two_keys_that_are_not_there: "2", "0";
        // AWS counts each item twice. DynamoDB Local counts differently.
        the_units_of_a_transaction: "one 2, four 8, large 24", "one 4, four 4, large 16";
        // AWS counts statements together, by table.
        the_units_of_statements: "[3]", "[]";
        // AWS documents a limit of 1 MB. Both report more items.
        ten_items_of_390_kb: "2 and more", "3 and more";
        // AWS rejects the second call; `create_tables` accepts both results.
        expiry_switched_on_twice: "ok", "ValidationException";
        // AWS deletes the item within days, DynamoDB Local within seconds; the embedded DynamoDB
        // needs a sweep. In DynamoDB Local, an expired ledger item outside its index, such as a
        // page, ends the sweeping for good.
        an_item_that_has_expired: "there", "gone";
    }
    .into()
}

fn agreements() -> Vec<Observation> {
    let same = |about, seen, both| Observation { about, seen, embedded: both, local: both };
    macro_rules! same {
        ($($observe:ident: $both:expr;)*) => {
            vec![$(same(stringify!($observe), |database| Box::pin($observe(database)), $both)),*]
        };
    }
    same! {
        // AWS may cancel some of them (TransactionConflict); `aws_failures` simulates that.
        transactions_on_one_item_at_once: "ok 20";
        reasons_of_a_cancelled_transaction:
            "ConditionalCheckFailed with 3, None with 0 | None with 0, ConditionalCheckFailed with 3 | \
             ConditionalCheckFailed with 0, None with 0";
        a_repeated_transaction: "ok ok IdempotentParameterMismatchException";
        transactions_that_no_condition_saves:
            "ValidationException ValidationException ValidationException ValidationException";
        // AWS is also said to return no item for an insert.
        statements_with_conditions:
            "ok | DuplicateItem with 0, ok | ok, ConditionalCheckFailed with 0 | \
             ConditionalCheckFailed with 3";
        rejected_statements:
            "ValidationException | ValidationException | ResourceNotFound with 0, ok";
        a_failed_condition_of_a_put: "3 none";
        the_largest_item: "ok ValidationException";
        the_largest_keys: "ok ok ValidationException ValidationException";
        empty_keys_and_values: "ValidationException ValidationException ok ok";
        long_numbers: "ok ok ValidationException ValidationException";
        values_that_no_expression_uses: "ValidationException ValidationException";
        keys_of_the_index: "ok ValidationException ValidationException";
        the_index_read_consistently: "ValidationException";
        a_table_that_is_not_there: "ResourceNotFoundException";
    }
}

fn main() -> ExitCode {
    let mut trials = Vec::new();
    let is_there = chosen().expect("an address").is_some();
    if !is_there {
        service::skipped("the differences to DynamoDB Local");
    }
    for one in differences().into_iter().chain(agreements()) {
        let (about, seen, expected) = (one.about, one.seen, one.embedded);
        let name = format!("embedded::{about}");
        trials.push(Trial::test(name, move || check(false, seen, expected)));
        let name = format!("dynamodb_local::{about}");
        let trial = Trial::test(name, move || check(true, seen, one.local));
        trials.push(trial.with_ignored_flag(!is_there));
    }
    trials.push(Trial::test("every_difference_is_one", || {
        let same = differences().into_iter().find(|one| one.embedded == one.local);
        same.map_or(Ok(()), |one| Err(one.about.into()))
    }));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

#[tokio::main(flavor = "current_thread")]
async fn check(
    is_local: bool,
    seen: fn(Database) -> Seen,
    expected: &str,
) -> Result<(), libtest_mimic::Failed> {
    let aws = if is_local { ports().await } else { embedded().await }.expect("a DynamoDB");
    let table = if is_local { table(LEDGER).to_string() } else { LEDGER.to_owned() };
    // Megabytes take time on a machine that runs other tests.
    let patient = aws.dynamodb().config().to_builder().timeout_config(TimeoutConfig::disabled());
    let client = Client::from_conf(patient.build());
    // With many tables DynamoDB Local needs up to half a minute to delete an expired item.
    let patience = Duration::from_secs(if is_local { 180 } else { 0 });
    let database = Database { client, table, patience, now: aws.now() };
    let seen = seen(database).await;
    if seen == expected { Ok(()) } else { Err(format!("seen {seen:?}").into()) }
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn binary(value: &[u8]) -> AttributeValue {
    AttributeValue::B(Blob::new(value))
}

fn number(value: &str) -> AttributeValue {
    AttributeValue::N(value.to_owned())
}

fn units(capacity: Option<&ConsumedCapacity>) -> f64 {
    capacity.and_then(ConsumedCapacity::capacity_units).expect("units")
}

/// `ok`, or the code of the error.
fn code<T, E: ProvideErrorMetadata, R>(result: Result<T, SdkError<E, R>>) -> String {
    result.map_or_else(
        |error| error.code().unwrap_or("without a code").to_owned(),
        |_| "ok".to_owned(),
    )
}

const ABSENT: Option<&str> = Some("attribute_not_exists(pk)");
const PRESENT: Option<&str> = Some("attribute_exists(pk)");

impl Database {
    fn put(&self, pk: &str, sk: &[u8], value: AttributeValue) -> PutItemFluentBuilder {
        let put = self.client.put_item().table_name(&self.table).item("pk", text(pk));
        put.item("sk", binary(sk)).item("v", value)
    }

    fn query(&self, pk: &str) -> QueryFluentBuilder {
        let query = self.client.query().table_name(&self.table);
        query
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(pk))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
    }

    fn query_index(&self, part: &str) -> QueryFluentBuilder {
        let query = self.client.query().table_name(&self.table).index_name(ACTIVITY_INDEX);
        query
            .key_condition_expression("a = :a")
            .expression_attribute_values(":a", text(part))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
    }
}

async fn a_query_that_finds_nothing(database: Database) -> String {
    let consistent =
        database.query("nobody").consistent_read(true).send().await.expect("available");
    let eventual = database.query("nobody").send().await.expect("available");
    let index = database.query_index("nobody").send().await.expect("available");
    let all = [consistent, eventual, index];
    all.map(|answer| units(answer.consumed_capacity()).to_string()).join(" ")
}

async fn two_keys_that_are_not_there(database: Database) -> String {
    let keys = [b"1", b"2"].map(|key| {
        [("pk".to_owned(), text("nobody")), ("sk".to_owned(), binary(key))].into_iter().collect()
    });
    let keys = KeysAndAttributes::builder().set_keys(Some(keys.into())).consistent_read(true);
    let get = database
        .client
        .batch_get_item()
        .request_items(&database.table, keys.build().expect("keys"));
    let answer = get.return_consumed_capacity(ReturnConsumedCapacity::Total).send().await;
    let answer = answer.expect("available");
    answer.consumed_capacity().iter().map(|one| units(Some(one))).sum::<f64>().to_string()
}

async fn ten_items_of_390_kb(database: Database) -> String {
    for key in 0..10_u8 {
        let put = database.put("megabytes", &[key], text(&"x".repeat(390 * 1024)));
        put.send().await.expect("available");
    }
    let answer = database.query("megabytes").consistent_read(true).send().await.expect("available");
    let more = if answer.last_evaluated_key().is_some() { " and more" } else { "" };
    format!("{}{more}", answer.count())
}

async fn expiry_switched_on_twice(database: Database) -> String {
    let expiry = TimeToLiveSpecification::builder().attribute_name("x").enabled(true).build();
    let switch = database.client.update_time_to_live().table_name(&database.table);
    code(switch.time_to_live_specification(expiry.expect("whole")).send().await)
}

async fn an_item_that_has_expired(database: Database) -> String {
    let an_hour_ago = database.now.plus_seconds(-3_600).whole_seconds().to_string();
    let table = table(REQUESTS);
    let put = database.client.put_item().table_name(&*table).item("pk", text("expired"));
    put.item("x", number(&an_hour_ago)).send().await.expect("available");
    let started = Instant::now();
    loop {
        let get = database.client.get_item().table_name(&*table).key("pk", text("expired"));
        let left = get.consistent_read(true).send().await.expect("available").item;
        if left.is_none() {
            return "gone".to_owned();
        }
        if started.elapsed() >= database.patience {
            return "there".to_owned();
        }
    }
}

async fn a_failed_condition_of_a_put(database: Database) -> String {
    use aws_sdk_dynamodb::operation::put_item::PutItemError;
    database.put("condition", b"there", text("x")).send().await.expect("available");
    let mut attributes = Vec::new();
    for (key, condition) in [(&b"there"[..], ABSENT), (b"absent", PRESENT)] {
        let put = database.put("condition", key, text("y"));
        let put = put.set_condition_expression(condition.map(str::to_owned));
        let old = ReturnValuesOnConditionCheckFailure::AllOld;
        let sent = put.return_values_on_condition_check_failure(old).send().await;
        attributes.push(match sent.expect_err("refused").into_service_error() {
            PutItemError::ConditionalCheckFailedException(failed) => {
                failed.item.map_or("none".to_owned(), |item| item.len().to_string())
            }
            _ => "another error".to_owned(),
        });
    }
    attributes.join(" ")
}

async fn the_largest_item(database: Database) -> String {
    // Names count as well: pk and its text, sk and its byte, v.
    let rest = 2 + 4 + 2 + 1 + 1;
    let largest = 400 * 1024 - rest;
    let put = |size: usize| database.put("size", b"1", text(&"x".repeat(size))).send();
    format!("{} {}", code(put(largest).await), code(put(largest + 1).await))
}

async fn the_largest_keys(database: Database) -> String {
    let put = |pk: usize, sk: usize| database.put(&"p".repeat(pk), &vec![1; sk], text("x")).send();
    let mut codes = Vec::new();
    for (pk, sk) in [(2_048, 1), (1, 1_024), (2_049, 1), (1, 1_025)] {
        codes.push(code(put(pk, sk).await));
    }
    codes.join(" ")
}

async fn empty_keys_and_values(database: Database) -> String {
    let puts = [
        database.put("", b"1", text("x")),
        database.put("empty", b"", text("x")),
        database.put("empty", b"1", text("")),
        database.put("empty", b"1", binary(b"")),
    ];
    let mut codes = Vec::new();
    for put in puts {
        codes.push(code(put.send().await));
    }
    codes.join(" ")
}

async fn long_numbers(database: Database) -> String {
    let (digits, over) = ("9".repeat(38), "9".repeat(39));
    let mut codes = Vec::new();
    for value in [u64::MAX.to_string(), digits, over, "1e126".to_owned()] {
        codes.push(code(database.put("numbers", b"1", number(&value)).send().await));
    }
    codes.join(" ")
}

async fn values_that_no_expression_uses(database: Database) -> String {
    let put =
        || database.put("unused", b"1", text("x")).expression_attribute_values(":z", text("z"));
    let with_another = put().set_condition_expression(ABSENT.map(str::to_owned));
    format!("{} {}", code(put().send().await), code(with_another.send().await))
}

async fn keys_of_the_index(database: Database) -> String {
    let mut codes = Vec::new();
    for part in [text("half of a key"), text(""), number("1")] {
        codes.push(code(database.put("index", b"1", text("x")).item("a", part).send().await));
    }
    codes.join(" ")
}

async fn the_index_read_consistently(database: Database) -> String {
    code(database.query_index("any").consistent_read(true).send().await)
}

async fn a_table_that_is_not_there(database: Database) -> String {
    code(Database { table: "nowhere".to_owned(), ..database }.query("any").send().await)
}
