//! The table of variables in `infra/README.md` is what the functions read: each variable, who reads
//! it, whether it must be set, and what it is otherwise.

#![expect(clippy::expect_used, reason = "test helpers fail like tests")]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::path::Path;

/// The settings that decide which other variables are asked for.
const DECIDING: [[(&str, &str); 2]; 4] = [
    [("DROVER_STREAM", "direct"), ("DROVER_AUTH_MODE", "key")],
    [("DROVER_STREAM", "direct"), ("DROVER_AUTH_MODE", "jwt")],
    [("DROVER_STREAM", "kafka"), ("DROVER_AUTH_MODE", "key")],
    [("DROVER_STREAM", "kafka"), ("DROVER_AUTH_MODE", "jwt")],
];

const FUNCTIONS: [&str; 4] = ["processor", "ingest", "query", "replay"];

/// What a function makes of a source of variables, shown.
fn read(function: &str, source: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    fn shown<T: Debug, E: ToString>(read: Result<T, E>) -> Result<String, String> {
        read.map(|config| format!("{config:?}")).map_err(|error| error.to_string())
    }
    match function {
        "processor" => shown(drover_processor::config::Config::read(source)),
        "ingest" => shown(drover_ingest::config::Config::read(source)),
        "query" => shown(drover_query::config::Config::read(source)),
        "replay" => shown(drover_replay::config::Config::read(source)),
        other => Err(format!("no function: name=`{other}`")),
    }
}

/// A value for whatever must be set.
fn needed(name: &str) -> Option<String> {
    let value = match name {
        "DROVER_KAFKA_BOOTSTRAP" => "broker:9092",
        queue if queue.ends_with("_QUEUE_URL") => "https://sqs/1/queue",
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

/// Every variable that the function asks for under any of the settings, but for those that Lambda sets.
fn asked(function: &str) -> BTreeSet<String> {
    let asked = RefCell::new(BTreeSet::new());
    for settings in DECIDING {
        let recording = |name: &str| {
            asked.borrow_mut().insert(name.to_owned());
            source(&settings)(name)
        };
        read(function, recording).expect("good settings");
    }
    let mut asked = asked.into_inner();
    asked.retain(|name| !name.starts_with("AWS_LAMBDA_"));
    asked
}

/// Who reads a variable, and what it is where it is not set.
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
        assert!(table.insert(name.clone(), row).is_none(), "{name} is there twice");
    }
    table
}

#[test]
fn the_table_of_variables_names_what_each_function_reads_and_nothing_else() {
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

#[test]
fn what_the_table_says_must_be_set_ends_the_start_where_it_is_missing() {
    for (name, row) in table() {
        for function in row.functions {
            let missing = DECIDING.iter().filter_map(|settings| {
                let without = |one: &str| (one != name).then(|| source(settings)(one)).flatten();
                read(&function, without).err()
            });
            let missing: BTreeSet<String> = missing.collect();
            let expected = match row.default.as_str() {
                "must be set" => BTreeSet::from([format!("{name} is not set")]),
                _ => BTreeSet::new(),
            };
            assert_eq!(missing, expected, "{function} without {name}");
        }
    }
}

#[test]
fn the_defaults_of_the_table_are_those_of_the_code() {
    let table = table();
    let stated = table.iter().filter_map(|(name, row)| {
        Some((name, row, row.default.strip_prefix('`')?.strip_suffix('`')?))
    });
    let mut compared = 0;
    for (name, row, default) in stated {
        for (function, settings) in
            row.functions.iter().flat_map(|one| DECIDING.map(|of| (one, of)))
        {
            let others = |one: &str| (one != name).then(|| source(&settings)(one)).flatten();
            let set = |one: &str| if one == name { Some(default.to_owned()) } else { others(one) };
            assert_eq!(read(function, set), read(function, others), "{function}: {name}");
            compared += 1;
        }
    }
    assert!(compared > 20, "the table has no defaults any more");
}
