//! Reads the list `batchItemFailures` from a function's response. All kinds of event sources use
//! it; each of them checks the shape of an identifier, and whether the event contained the
//! identifier.
//!
//! `null`, an empty body, an object without the list and an empty list mean success. A response
//! that is not an object is invalid. (AWS does not document strings and numbers; a retry loses
//! nothing.)
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/kafka-retry-configurations.html>
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The identifiers of the failed items, as the response lists them.
///
/// # Errors
/// Why the response is invalid; `shape` if an identifier has the wrong shape.
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
        Ok(_) => return Err("not an object"),
        Err(_) => return Err("not JSON"),
    };
    let failures = match answer.remove("batchItemFailures") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(failures)) => failures,
        Some(_) => return Err("`batchItemFailures` is not a list"),
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
