//! Reads bodies, and parses JSON objects from outside. serde also accepts a list for a struct, field by field;
//! this module accepts only objects. Faults are problems with the path of the fault.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use drover_http::Problem;
use lambda_http::http::StatusCode;
use serde::de::{DeserializeOwned, Error as _};
use serde_json::{Error, Value};

/// The body of a request, whatever its content type.
///
/// # Errors
/// `too_large` for a body above the limit of the route, `malformed_json` for one that ended early.
pub(crate) fn body(body: Result<Bytes, BytesRejection>, limit: usize) -> Result<Bytes, Problem> {
    body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            let detail = format!("the body is too large: limit=`{limit}`");
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
        }
        _ => Problem::bad_request("malformed_json", "the body ended early"),
    })
}

/// Parses an object whose `filter`, if present, is an object too.
///
/// # Errors
/// The text is not JSON, or has another shape.
pub(crate) fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, Error> {
    let value: Value = serde_json::from_slice(json)?;
    let filter = value.get("filter").unwrap_or(&Value::Null);
    if value.is_object() && (filter.is_object() || filter.is_null()) {
        return serde_json::from_value(value);
    }
    Err(Error::custom("expected an object"))
}

/// The members of an object whose members are all texts, or null.
///
/// # Errors
/// `malformed_json`; `invalid_parameter` for another shape or another member.
pub(crate) fn texts(json: &[u8], known: &[&str]) -> Result<Vec<(String, Option<String>)>, Problem> {
    let value: Value = serde_json::from_slice(json).map_err(|fault| {
        Problem::bad_request("malformed_json", format!("invalid request: {fault}"))
    })?;
    let Value::Object(members) = value else {
        return Err(Problem::at("invalid_parameter", "", "the body must be an object"));
    };
    let text = |(name, value): (String, Value)| {
        let path = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        if !known.contains(&&*name) {
            let fault = format!("unknown member; the members are {}", known.join(" and "));
            return Err(Problem::at("invalid_parameter", &path, &fault));
        }
        match value {
            Value::String(text) => Ok((name, Some(text))),
            Value::Null => Ok((name, None)),
            _ => Err(Problem::at("invalid_parameter", &path, "must be a text or null")),
        }
    };
    members.into_iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use drover_core::replay::Filter;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Body {
        #[serde(default)]
        filter: Filter,
    }

    #[test]
    fn a_list_is_not_an_object() {
        assert_eq!(read::<Body>(br#"{"filter":{}}"#).expect("it is one").filter, Filter::default());
        for odd in [r#"{"filter":[null,null]}"#, r#"{"filter":[]}"#, "[{}]", "[]", "null", "{"] {
            assert!(read::<Body>(odd.as_bytes()).is_err(), "{odd}");
        }
    }
}
