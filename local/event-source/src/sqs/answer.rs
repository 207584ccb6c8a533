//! The meaning of a function's response to a batch of messages.
//!
//! The listed identifiers count if the event contained every one of them. An identifier that the
//! event did not contain, that is empty, or of the wrong shape, fails the whole batch.
//! `item_failures` defines the other forms of a response.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>

use std::collections::BTreeSet;

use crate::item_failures::failed_items;

/// The ids of the failed messages of the event.
///
/// # Errors
/// Why the response is invalid: all messages failed.
pub(super) fn failed(
    body: &[u8],
    held: impl Fn(&str) -> bool,
) -> Result<BTreeSet<String>, &'static str> {
    let failed: Vec<String> = failed_items(body, "an identifier is not a string")?;
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
            check(body, Ok(&[]));
        }
    }

    #[test]
    fn identifiers_of_the_event_count_once_each() {
        let body = r#"{"batchItemFailures":[{"itemIdentifier":"m-2"},{"itemIdentifier":"m-2"}]}"#;
        check(body, Ok(&["m-2"]));
    }

    #[test]
    fn one_invalid_identifier_fails_the_whole_batch() {
        for (identifier, reason) in [
            (r#""m-3""#, "an identifier was not in the event"),
            (r#""""#, "an identifier was not in the event"),
            ("null", "an identifier is not a string"),
            ("1", "an identifier is not a string"),
            (r#"{"messageId":"m-1"}"#, "an identifier is not a string"),
        ] {
            let good = r#"{"itemIdentifier":"m-1"}"#;
            let body =
                format!(r#"{{"batchItemFailures":[{good},{{"itemIdentifier":{identifier}}}]}}"#);
            check(&body, Err(reason));
        }
        let misnamed = r#"{"batchItemFailures":[{"ItemIdentifier":"m-1"}]}"#;
        check(misnamed, Err("an identifier is not a string"));
    }

    #[test]
    fn an_invalid_response_fails_the_whole_batch() {
        for (body, reason) in [
            ("ok", "not JSON"),
            (r#""ok""#, "not an object"),
            ("[]", "not an object"),
            (r#"{"batchItemFailures":"m-1"}"#, "`batchItemFailures` is not a list"),
        ] {
            check(body, Err(reason));
        }
    }
}
