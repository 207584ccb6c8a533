//! The meaning of a function's response to Lambda.
//!
//! The listed identifiers count if the event contained every one of them. An identifier that the
//! event did not contain, or of the wrong shape, fails the whole batch. `item_failures` defines the
//! other forms of a response.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/kafka-retry-configurations.html>

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::batch::Failure;
use crate::item_failures::failed_items;

/// The result of an invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// All records are handled.
    Handled,
    /// The offsets that are not handled, by the name of their partition.
    Named(BTreeMap<String, BTreeSet<i64>>),
    /// No record is handled.
    Failed(Failure),
}

/// Reads the body of a response that is not a function error. `held` returns whether the event
/// contained a record.
pub(super) fn read(body: &[u8], held: impl Fn(&str, i64) -> bool) -> Answer {
    let senseless = |reason| Answer::Failed(Failure::Senseless(reason));
    let failed = match failed_items(body, "an identifier is not a partition and an offset") {
        Ok(failed) => failed,
        Err(reason) => return senseless(reason),
    };
    let mut named: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
    for Identifier { partition, offset } in failed {
        if !held(&partition, offset) {
            return senseless("an identifier was not in the event");
        }
        named.entry(partition).or_default().insert(offset);
    }
    if named.is_empty() { Answer::Handled } else { Answer::Named(named) }
}

#[derive(Deserialize)]
struct Identifier {
    partition: String,
    offset: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expected: &Answer) {
        let held = |partition: &str, offset| partition == "t-0" && (5..8).contains(&offset);
        assert_eq!(read(body.as_bytes(), held), *expected, "{body}");
    }

    #[test]
    fn a_response_without_failures_is_success() {
        for body in [
            "",
            " ",
            "null",
            "{}",
            r#"{"statusCode":200}"#,
            r#"{"batchItemFailures":null}"#,
            r#"{"batchItemFailures":[]}"#,
        ] {
            check(body, &Answer::Handled);
        }
    }

    #[test]
    fn identifiers_of_the_event_count_once_each() {
        let body = r#"{"batchItemFailures":[
            {"itemIdentifier":{"partition":"t-0","offset":6}},
            {"itemIdentifier":{"partition":"t-0","offset":5}},
            {"itemIdentifier":{"partition":"t-0","offset":6}}]}"#;
        let named = BTreeMap::from([("t-0".to_owned(), BTreeSet::from([5, 6]))]);
        check(body, &Answer::Named(named));
    }

    #[test]
    fn one_invalid_identifier_fails_the_whole_batch() {
        for (identifier, reason) in [
            (r#"{"partition":"t-0","offset":8}"#, "an identifier was not in the event"),
            (r#"{"partition":"t-1","offset":5}"#, "an identifier was not in the event"),
            (
                r#"{"partition":"t-0","offset":"5"}"#,
                "an identifier is not a partition and an offset",
            ),
            (
                r#"{"partition":"t-0","offset":5.5}"#,
                "an identifier is not a partition and an offset",
            ),
            (r#"{"partition":"t-0"}"#, "an identifier is not a partition and an offset"),
            (r#""t-0-5""#, "an identifier is not a partition and an offset"),
            ("null", "an identifier is not a partition and an offset"),
        ] {
            let good = r#"{"itemIdentifier":{"partition":"t-0","offset":5}}"#;
            let body =
                format!(r#"{{"batchItemFailures":[{good},{{"itemIdentifier":{identifier}}}]}}"#);
            check(&body, &Answer::Failed(Failure::Senseless(reason)));
        }
    }

    #[test]
    fn an_invalid_response_fails_the_whole_batch() {
        for (body, reason) in [
            ("ok", "not JSON"),
            (r#""ok""#, "not an object"),
            ("[]", "not an object"),
            (r#"{"batchItemFailures":"t-0"}"#, "`batchItemFailures` is not a list"),
        ] {
            check(body, &Answer::Failed(Failure::Senseless(reason)));
        }
    }
}
