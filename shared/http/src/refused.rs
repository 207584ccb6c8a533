//! Errors of intake as problem documents.

use axum::http::StatusCode;
use drover_core::base::error::Code;
use drover_intake::IntakeError;
use drover_intake::error::Unauthenticated;

use crate::Problem;

impl From<IntakeError> for Problem {
    fn from(error: IntakeError) -> Self {
        let problem = |status| Self::new(status, error.code(), error.to_string());
        match &error {
            IntakeError::Unauthenticated(why) => unauthorized(*why),
            IntakeError::Forbidden(_) => problem(StatusCode::FORBIDDEN),
            IntakeError::OverQuota(exceeded) => Self::from(*exceeded),
            IntakeError::TooLarge(_) => problem(StatusCode::PAYLOAD_TOO_LARGE),
            IntakeError::UnsupportedEncoding(_) => problem(StatusCode::UNSUPPORTED_MEDIA_TYPE),
            IntakeError::MalformedEncoding(_) => problem(StatusCode::BAD_REQUEST),
            IntakeError::UnreadableBody(why) if why.code == Code::UnsupportedEncoding => {
                problem(StatusCode::UNSUPPORTED_MEDIA_TYPE)
            }
            IntakeError::UnreadableBody(_) => problem(StatusCode::BAD_REQUEST),
            IntakeError::EmptyBatch | IntakeError::IdempotencyMismatch => {
                problem(StatusCode::UNPROCESSABLE_ENTITY)
            }
            IntakeError::ContractNameTooLong { .. } => {
                Self::invalid_parameter("contract", &error.to_string())
            }
            IntakeError::InvalidIdempotencyKey(_) => {
                Self::invalid_parameter("Idempotency-Key", &error.to_string())
            }
            IntakeError::Unavailable(unavailable) => Self::unavailable(unavailable),
        }
    }
}

fn unauthorized(why: Unauthenticated) -> Problem {
    let error = why.are_wrong().then_some("invalid_token");
    let detail = match why {
        Unauthenticated::NoKey => "send Authorization: Bearer <api key>".to_owned(),
        Unauthenticated::NoToken
        | Unauthenticated::UnknownKey
        | Unauthenticated::NoTenant
        | Unauthenticated::UnknownTenant => why.to_string(),
    };
    Problem::unauthorized(error, &detail)
}

#[cfg(test)]
mod tests {
    use drover_core::base::error::{Reason, Rejection, Unavailable};
    use drover_core::intake::quota::Exceeded;
    use drover_core::intake::request::InvalidKey;
    use drover_core::intake::tenant::Scope;
    use drover_intake::error::{Bound, Damage, Forbidden};

    use super::*;

    /// The texts are a contract with senders: status, code and detail.
    #[test]
    fn every_error_of_intake_has_its_status_and_its_text() {
        let over_quota = Exceeded { retry_after_seconds: 2 };
        let unavailable = Unavailable::new(Reason::Unreachable, "10.0.0.1 is away");
        for (error, status, code, detail) in [
            (
                Unauthenticated::NoKey.into(),
                401,
                "unauthorized",
                "send Authorization: Bearer <api key>",
            ),
            (
                Unauthenticated::NoToken.into(),
                401,
                "unauthorized",
                "no gateway verified a token of this request",
            ),
            (
                Unauthenticated::UnknownKey.into(),
                401,
                "unauthorized",
                "this API key is not accepted",
            ),
            (
                Unauthenticated::NoTenant.into(),
                401,
                "unauthorized",
                "the token does not name exactly one tenant",
            ),
            (
                Unauthenticated::UnknownTenant.into(),
                401,
                "unauthorized",
                "the tenant of these credentials does not exist",
            ),
            (
                Forbidden::MissingScope(Scope::Read).into(),
                403,
                "forbidden",
                "these credentials lack the scope `read`",
            ),
            (Forbidden::TenantSuspended.into(), 403, "tenant_suspended", "the tenant is suspended"),
            (
                IntakeError::OverQuota(over_quota),
                429,
                "rate_limited",
                "the tenant has used up its quota, see the header Retry-After",
            ),
            (Bound::SentBytes(7).into(), 413, "too_large", "the body is too large: limit=`7`"),
            (
                Bound::UnpackedBytes(7).into(),
                413,
                "too_large",
                "the body unpacks to too much: limit=`7`",
            ),
            (
                Bound::Events(7).into(),
                413,
                "too_large",
                "more events than one request takes: limit=`7`",
            ),
            (
                IntakeError::UnsupportedEncoding("\"br\"".to_owned()),
                415,
                "unsupported_encoding",
                "wanted a body in gzip, in zstd or without an encoding, came \"br\"",
            ),
            (
                Damage::EndsEarly { encoding: "gzip", bytes: 9 }.into(),
                400,
                "malformed_encoding",
                "the gzip data of the body end too early: bytes=`9`",
            ),
            (
                IntakeError::UnreadableBody(Rejection::at(
                    Code::MalformedJson,
                    "/a",
                    "this is not JSON",
                )),
                400,
                "malformed_json",
                "this is not JSON: path=`/a`",
            ),
            (
                IntakeError::UnreadableBody(Rejection::new(Code::UnsupportedEncoding, "gzip")),
                415,
                "unsupported_encoding",
                "gzip",
            ),
            (IntakeError::EmptyBatch, 422, "empty_batch", "there is no event in this request"),
            (
                IntakeError::ContractNameTooLong { bytes: 65, limit: 64 },
                400,
                "invalid_parameter",
                "wanted the name of a contract: bytes=`65` limit=`64`: parameter=`contract`",
            ),
            (
                InvalidKey::Length(300).into(),
                400,
                "invalid_parameter",
                "wanted 1 to 255 visible ASCII characters, came 300 bytes: parameter=`Idempotency-Key`",
            ),
            (
                InvalidKey::Byte(3).into(),
                400,
                "invalid_parameter",
                "wanted visible ASCII characters only, came another at byte 3: parameter=`Idempotency-Key`",
            ),
            (
                IntakeError::IdempotencyMismatch,
                422,
                "idempotency_mismatch",
                "this idempotency key was used for another body or contract",
            ),
            (IntakeError::Unavailable(unavailable), 503, "unavailable", "Service Unavailable"),
        ] {
            let problem = Problem::from(error);
            let found = (problem.status().as_u16(), problem.code(), problem.detail());
            assert_eq!(found, (status, code, detail));
        }
    }

    #[test]
    fn a_sender_is_told_whether_its_credentials_are_wrong_and_when_to_come_back() {
        let check = |error: IntakeError, expected: Problem| {
            assert_eq!(Problem::from(error), expected);
        };
        let none = "no gateway verified a token of this request";
        check(Unauthenticated::NoToken.into(), Problem::unauthorized(None, none));
        let wrong = "this API key is not accepted";
        let expected = Problem::unauthorized(Some("invalid_token"), wrong);
        check(Unauthenticated::UnknownKey.into(), expected);
        let exceeded = Exceeded { retry_after_seconds: 9 };
        check(IntakeError::OverQuota(exceeded), Problem::rate_limited(9));
    }
}
