//! The table of variables in `infra/README.md` matches the functions: each variable, the functions
//! that read it, whether it is required, and its default.

#![expect(clippy::expect_used, reason = "test helpers fail like tests")]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::path::Path;

/// The settings that determine which other variables are read.
const DECIDING: [&[(&str, &str)]; 7] = [
    &[("DROVER_STREAM", "direct"), ("DROVER_AUTH_MODE", "key"), QUEUE],
    &[("DROVER_STREAM", "direct"), ("DROVER_AUTH_MODE", "jwt"), QUEUE],
    &[("DROVER_STREAM", "direct"), ("DROVER_AUTH_MODE", "key"), TOPIC],
    &[("DROVER_STREAM", "direct"), ("DROVER_AUTH_MODE", "key"), BUS],
    &[("DROVER_STREAM", "direct"), ("DROVER_AUTH_MODE", "key"), FEEDS_OFF],
    &[KAFKA, ("DROVER_AUTH_MODE", "key")],
    &[KAFKA, ("DROVER_AUTH_MODE", "jwt")],
];
const FEEDS_OFF: (&str, &str) = ("DROVER_FEEDS", "off");
const KAFKA: (&str, &str) = ("DROVER_STREAM", "kafka");
/// The targets of feeds without Kafka: one of them is set.
const QUEUE: (&str, &str) = ("DROVER_FEEDS_QUEUE_URL", "https://sqs/1/feeds");
const TOPIC: (&str, &str) = ("DROVER_FEEDS_TOPIC_ARN", "arn:aws:sns:eu-central-1:1:feeds");
const BUS: (&str, &str) = ("DROVER_FEEDS_BUS", "feeds");
/// In the table, the default of a variable of which one must be set.
const ONE_OF_THEM: &str = "one must be set without Kafka";

const FUNCTIONS: [&str; 6] = ["processor", "ingest", "query", "replay", "relay", "notify"];

/// The configuration that a function reads from a source of variables, as text.
fn read(function: &str, source: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    fn shown<T: Debug, E: ToString>(read: Result<T, E>) -> Result<String, String> {
        read.map(|config| format!("{config:?}")).map_err(|error| error.to_string())
    }
    match function {
        "processor" => shown(drover_processor::config::Config::read(source)),
        "ingest" => shown(drover_ingest::config::Config::read(source)),
        "query" => shown(drover_query::config::Config::read(source)),
        "replay" => shown(drover_replay::config::Config::read(source)),
        "relay" => shown(drover_relay::config::Config::read(source)),
        "notify" => shown(drover_notify::config::Config::read(source)),
        other => Err(format!("no function: name=`{other}`")),
    }
}

/// A value for every required variable.
fn needed(name: &str) -> Option<String> {
    let value = match name {
        "DROVER_KAFKA_BOOTSTRAP" => "broker:9092",
        "DROVER_DEAD_LETTER_QUEUE_URL"
        | "DROVER_BUFFER_QUEUE_URL"
        | "DROVER_NOTIFICATIONS_QUEUE_URL" => "https://sqs/1/queue",
        table if table.ends_with("_TABLE") => "table",
        _ => return None,
    };
    Some(value.to_owned())
}

fn source<'a>(settings: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
    move |name| match settings.iter().find(|(one, _)| *one == name) {
        Some((_, value)) => Some((*value).to_owned()),
        None => needed(name),
    }
}

/// Every variable that the function reads under any of the settings, except those that Lambda sets.
fn asked(function: &str) -> BTreeSet<String> {
    let asked = RefCell::new(BTreeSet::new());
    for settings in DECIDING {
        let recording = |name: &str| {
            asked.borrow_mut().insert(name.to_owned());
            source(settings)(name)
        };
        read(function, recording).expect("good settings");
    }
    let mut asked = asked.into_inner();
    asked.retain(|name| !name.starts_with("AWS_LAMBDA_"));
    asked
}

/// The functions that read a variable, and its default.
struct Row {
    functions: BTreeSet<String>,
    default: String,
}

fn table() -> BTreeMap<String, Row> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/README.md");
    let text = std::fs::read_to_string(file).expect("the table");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `DROVER_"));
    let mut table = BTreeMap::new();
    for row in rows {
        let mut columns = row.split('|').map(str::trim);
        let mut column = || columns.next().expect("four columns");
        let name = format!("DROVER_{}", column().trim_end_matches('`'));
        let functions = column().split(", ").map(str::to_owned).collect();
        let row = Row { functions, default: column().to_owned() };
        assert!(table.insert(name.clone(), row).is_none(), "{name} is listed twice");
    }
    table
}

#[test]
fn the_table_lists_exactly_the_variables_that_each_function_reads() {
    let table = table();
    for function in FUNCTIONS {
        let listed = table.iter().filter(|(_, row)| row.functions.contains(function));
        let listed: BTreeSet<String> = listed.map(|(name, _)| name.clone()).collect();
        assert_eq!(listed, asked(function), "left: the table, right: {function}");
    }
    for (name, row) in &table {
        let known = row.functions.iter().all(|function| FUNCTIONS.contains(&function.as_str()));
        assert!(known, "{name}: {:?}", row.functions);
    }
}

/// The error of a relay without a target.
fn no_target() -> String {
    let targets = [QUEUE, TOPIC, BUS].map(|(name, _)| name).join(" or ");
    format!("{targets} must be set, unless DROVER_STREAM is kafka or DROVER_FEEDS is off")
}

#[test]
fn a_missing_required_variable_fails_the_start() {
    for (name, row) in table() {
        for function in row.functions {
            let missing = DECIDING.iter().filter_map(|settings| {
                let others = settings.iter().filter(|(one, _)| *one != name).copied();
                // Without an event log, feeds need another target.
                let instead = (name == KAFKA.0 && settings.contains(&KAFKA)).then_some(QUEUE);
                let are_off = name == FEEDS_OFF.0 && settings.contains(&FEEDS_OFF);
                let instead = instead.or(are_off.then_some(QUEUE));
                let others: Vec<_> = others.chain(instead).collect();
                let without = |one: &str| (one != name).then(|| source(&others)(one)).flatten();
                read(&function, without).err()
            });
            let missing: BTreeSet<String> = missing.collect();
            let expected = match row.default.as_str() {
                "must be set" => BTreeSet::from([format!("{name} is not set")]),
                ONE_OF_THEM => BTreeSet::from([no_target()]),
                _ => BTreeSet::new(),
            };
            assert_eq!(missing, expected, "{function} without {name}");
        }
    }
}

#[test]
fn the_defaults_of_the_table_match_the_code() {
    let table = table();
    let stated = table.iter().filter_map(|(name, row)| {
        Some((name, row, row.default.strip_prefix('`')?.strip_suffix('`')?))
    });
    let mut compared = 0;
    for (name, row, default) in stated {
        for (function, settings) in
            row.functions.iter().flat_map(|one| DECIDING.map(|of| (one, of)))
        {
            let others = |one: &str| (one != name).then(|| source(settings)(one)).flatten();
            let set = |one: &str| if one == name { Some(default.to_owned()) } else { others(one) };
            assert_eq!(read(function, set), read(function, others), "{function}: {name}");
            compared += 1;
        }
    }
    assert!(compared > 20, "the table lists too few defaults");
}
