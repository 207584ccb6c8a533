//! Reads one object, up to the size limit.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::primitives::ByteStream;
use drover_core::base::dependency::Dependency;
use drover_core::base::error::{Reason, Unavailable};
use drover_core::dead_letter::object::{OBJECT_BYTES, Object};

use crate::calls::unavailable;
use crate::cause::Cause;

/// The timeout for reading the body, which the timeout of the call does not cover.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) async fn object(
    client: &Client,
    bucket: &str,
    key: &str,
) -> Result<Object, Unavailable> {
    let answer = match client.get_object().bucket(bucket).key(key).send().await {
        Ok(answer) => answer,
        Err(error) if matches!(error.code(), Some("NoSuchKey" | "NoSuchBucket")) => {
            return Ok(Object::Gone);
        }
        Err(error) => {
            return Err(unavailable("reading an object", &error).of(Dependency::ObjectStore));
        }
    };
    let length = answer.content_length.and_then(|length| usize::try_from(length).ok());
    if length.is_some_and(|length| length > OBJECT_BYTES) {
        return Ok(Object::TooLarge);
    }
    let body = tokio::time::timeout(PATIENCE, collected(answer.body)).await;
    body.unwrap_or_else(|_| Err(cut("timed out")))
}

async fn collected(mut body: ByteStream) -> Result<Object, Unavailable> {
    let mut bytes = Vec::new();
    while let Some(part) = body.next().await {
        let part = part.map_err(|error| {
            cut("the connection ended or the checksum is wrong").caused_by(Cause::of(&error))
        })?;
        if bytes.len() + part.len() > OBJECT_BYTES {
            return Ok(Object::TooLarge);
        }
        bytes.extend_from_slice(&part);
    }
    Ok(Object::Found(bytes))
}

fn cut(why: &str) -> Unavailable {
    Unavailable::new(Reason::Unreachable, format!("reading the body of an object failed: {why}"))
        .of(Dependency::ObjectStore)
}
