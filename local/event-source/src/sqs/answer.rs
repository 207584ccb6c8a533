//! What a function's answer to a batch of messages means to Lambda.
//!
//! Identifiers are honoured if the event held every one of them; one that it did not hold, that is
//! empty, or that has another shape, makes the whole batch a failure. What else an answer may be is
//! said in `item_failures`.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>

use std::collections::BTreeSet;

use crate::item_failures::failed_items;

/// The ids of the messages that failed, of those that the event held.
///
/// # Errors
/// Why the answer makes no sense: all of them failed.
pub(super) fn failed(
    body: &[u8],
    held: impl Fn(&str) -> bool,
) -> Result<BTreeSet<String>, &'static str> {
    let failed: Vec<String> = failed_items(body, "an identifier is no text")?;
    if failed.iter().all(|id| held(id)) {
        Ok(failed.into_iter().collect())
    } else {
        Err("an identifier was not in the event")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expected: Result<&[&str], &'static str>) {
        let expected =
            expected.map(|ids| ids.iter().map(|id| (*id).to_owned()).collect::<BTreeSet<_>>());
        assert_eq!(failed(body.as_bytes(), |id| id == "m-1" || id == "m-2"), expected, "{body}");
    }

    #[test]
    fn an_answer_without_failures_is_success() {
        for body in [
            "",
            " ",
            "null",
            "{}",
            r#"{"statusCode":200}"#,
            r#"{"batchItemFailures":null}"#,
            r#"{"batchItemFailures":[]}"#,
        ] {
            check(body, Ok(&[]));
        }
    }

    #[test]
    fn identifiers_of_the_event_are_honoured_each_once() {
        let body = r#"{"batchItemFailures":[{"itemIdentifier":"m-2"},{"itemIdentifier":"m-2"}]}"#;
        check(body, Ok(&["m-2"]));
    }

    #[test]
    fn one_identifier_that_makes_no_sense_fails_the_whole_batch() {
        for (identifier, reason) in [
            (r#""m-3""#, "an identifier was not in the event"),
            (r#""""#, "an identifier was not in the event"),
            ("null", "an identifier is no text"),
            ("1", "an identifier is no text"),
            (r#"{"messageId":"m-1"}"#, "an identifier is no text"),
        ] {
            let good = r#"{"itemIdentifier":"m-1"}"#;
            let body =
                format!(r#"{{"batchItemFailures":[{good},{{"itemIdentifier":{identifier}}}]}}"#);
            check(&body, Err(reason));
        }
        let misnamed = r#"{"batchItemFailures":[{"ItemIdentifier":"m-1"}]}"#;
        check(misnamed, Err("an identifier is no text"));
    }

    #[test]
    fn what_is_no_answer_of_this_kind_fails_the_whole_batch() {
        for (body, reason) in [
            ("ok", "it is no JSON"),
            (r#""ok""#, "it is no object"),
            ("[]", "it is no object"),
            (r#"{"batchItemFailures":"m-1"}"#, "`batchItemFailures` is no list"),
        ] {
            check(body, Err(reason));
        }
    }
}
