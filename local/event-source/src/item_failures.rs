//! The part of an answer that both kinds of event sources read alike: the list `batchItemFailures`.
//! What an identifier is, and whether the event held it, is for each to say.
//!
//! `null`, nothing at all, an object without the list and an empty list are success. An answer that
//! is no object makes no sense. (For a text or a number AWS says nothing; sending again loses
//! nothing.)
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/kafka-retry-configurations.html>
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The identifiers of what failed, as the answer lists them.
///
/// # Errors
/// Why the answer makes no sense; `shape` where an identifier has another one.
pub(crate) fn failed_items<I: DeserializeOwned>(
    body: &[u8],
    shape: &'static str,
) -> Result<Vec<I>, &'static str> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Vec::new());
    }
    let mut answer = match serde_json::from_slice(body) {
        Ok(Value::Null) => return Ok(Vec::new()),
        Ok(Value::Object(answer)) => answer,
        Ok(_) => return Err("it is no object"),
        Err(_) => return Err("it is no JSON"),
    };
    let failures = match answer.remove("batchItemFailures") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(failures)) => failures,
        Some(_) => return Err("`batchItemFailures` is no list"),
    };
    let identifier = |failure| {
        let failure: ItemFailure<I> = serde_json::from_value(failure).map_err(|_| shape)?;
        Ok(failure.item_identifier)
    };
    failures.into_iter().map(identifier).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ItemFailure<I> {
    item_identifier: I,
}
