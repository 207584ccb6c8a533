//! The meaning of a function's response to records of a stream.
//!
//! The lowest listed sequence number is the checkpoint: the records before it are handled, and all
//! others are retried. An identifier that the event did not contain, that is empty, or of the wrong
//! shape, fails the whole batch. `item_failures` defines the other forms of a response.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html>

use std::collections::BTreeSet;

use crate::batch::{AttemptOutcome, Failure};
use crate::item_failures::failed_items;

/// Reads the body of a response that is not a function error. `held` returns the place of a
/// sequence number in the event, if the event contained the record.
pub(super) fn read(body: &[u8], held: impl Fn(&str) -> Option<i64>) -> AttemptOutcome {
    let senseless = |reason| AttemptOutcome::Failed(Failure::Senseless(reason));
    let failed: Vec<String> = match failed_items(body, "an identifier is not a string") {
        Ok(failed) => failed,
        Err(reason) => return senseless(reason),
    };
    let places: Option<BTreeSet<i64>> = failed.iter().map(|identifier| held(identifier)).collect();
    match places {
        None => senseless("an identifier was not in the event"),
        Some(places) if places.is_empty() => AttemptOutcome::Handled,
        Some(places) => AttemptOutcome::Named(places),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The event contains the sequence numbers 21, 22 and 23, at the places 1 to 3.
    fn check(body: &str, expected: &AttemptOutcome) {
        let held = |text: &str| match text {
            "21" => Some(1),
            "22" => Some(2),
            "23" => Some(3),
            _ => None,
        };
        assert_eq!(read(body.as_bytes(), held), *expected, "{body}");
    }

    #[test]
    fn a_response_without_failures_is_success() {
        for body in [
            "",
            "null",
            "{}",
            r#"{"statusCode":200}"#,
            r#"{"batchItemFailures":null}"#,
            r#"{"batchItemFailures":[]}"#,
        ] {
            check(body, &AttemptOutcome::Handled);
        }
    }

    #[test]
    fn identifiers_of_the_event_count_in_any_order_and_number() {
        let body = r#"{"batchItemFailures":[
            {"itemIdentifier":"23"},{"itemIdentifier":"22"},{"itemIdentifier":"23"}]}"#;
        check(body, &AttemptOutcome::Named(BTreeSet::from([2, 3])));
    }

    #[test]
    fn one_invalid_identifier_fails_the_whole_batch() {
        for (identifier, reason) in [
            (r#""24""#, "an identifier was not in the event"),
            (r#""""#, "an identifier was not in the event"),
            (r#""021""#, "an identifier was not in the event"),
            ("null", "an identifier is not a string"),
            ("21", "an identifier is not a string"),
            (r#"{"sequenceNumber":"21"}"#, "an identifier is not a string"),
        ] {
            let good = r#"{"itemIdentifier":"21"}"#;
            let body =
                format!(r#"{{"batchItemFailures":[{good},{{"itemIdentifier":{identifier}}}]}}"#);
            check(&body, &AttemptOutcome::Failed(Failure::Senseless(reason)));
        }
        let misnamed = r#"{"batchItemFailures":[{"ItemIdentifier":"21"}]}"#;
        let failed = Failure::Senseless("an identifier is not a string");
        check(misnamed, &AttemptOutcome::Failed(failed));
    }

    #[test]
    fn an_invalid_response_fails_the_whole_batch() {
        for (body, reason) in [
            ("ok", "not JSON"),
            (r#""ok""#, "not an object"),
            ("[]", "not an object"),
            (r#"{"batchItemFailures":"21"}"#, "`batchItemFailures` is not a list"),
        ] {
            check(body, &AttemptOutcome::Failed(Failure::Senseless(reason)));
        }
    }
}
