//! The errors of a request as a whole. Each front turns them into its own protocol: HTTP into problem
//! documents, RPC into statuses. The words of [`IntakeError::code`] are the same in every front. A fault of
//! a single event is a [`Rejection`], not an error.

use drover_core::base::error::{Code, Rejection, Unavailable};
use drover_core::intake::quota::Exceeded;
use drover_core::intake::request::InvalidKey;
use drover_core::intake::tenant::Scope;

/// The delay before a sender retries an unavailable request, in seconds.
pub const UNAVAILABLE_RETRY_SECONDS: u64 = 1;

/// Why a request is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntakeError {
    /// The sender is not authenticated.
    #[error(transparent)]
    Unauthenticated(#[from] Unauthenticated),
    /// The sender is authenticated but not authorized.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// The tenant has used up its quota.
    #[error("the tenant has used up its quota")]
    OverQuota(Exceeded),
    /// The request exceeds a limit.
    #[error(transparent)]
    TooLarge(#[from] Bound),
    /// The body has an unsupported encoding; the text shows its name.
    #[error("wanted a body in gzip, in zstd or without an encoding, came {0}")]
    UnsupportedEncoding(String),
    /// The body does not have the declared encoding.
    #[error(transparent)]
    MalformedEncoding(#[from] Damage),
    /// The body as a whole is not readable as JSON. The text never quotes the body.
    #[error("{}{}", .0.message, place(.0))]
    UnreadableBody(Rejection),
    /// The request has no event.
    #[error("there is no event in this request")]
    EmptyBatch,
    /// The requested contract name is longer than any contract's name.
    #[error("wanted the name of a contract: bytes=`{bytes}` limit=`{limit}`")]
    ContractNameTooLong {
        /// The length of the name.
        bytes: usize,
        /// Maximum length of a name.
        limit: usize,
    },
    /// The idempotency key is malformed.
    #[error(transparent)]
    InvalidIdempotencyKey(#[from] InvalidKey),
    /// The idempotency key belongs to an earlier request with other content.
    #[error("this idempotency key was used for another body or contract")]
    IdempotencyMismatch,
    /// A dependency or Drover failed; a retry may succeed. The message is for the log and not for the sender.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why a sender is not authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unauthenticated {
    /// No API key was sent.
    #[error("no API key was sent")]
    NoKey,
    /// No gateway verified a token.
    #[error("no gateway verified a token of this request")]
    NoToken,
    /// The API key is unknown, or not accepted in this deployment.
    #[error("this API key is not accepted")]
    UnknownKey,
    /// The token does not name exactly one tenant.
    #[error("the token does not name exactly one tenant")]
    NoTenant,
    /// The credentials are of a tenant without a document.
    #[error("the tenant of these credentials does not exist")]
    UnknownTenant,
}

/// Why an authenticated sender is not authorized.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// The credentials are valid for other scopes.
    #[error("these credentials lack the scope `{0}`")]
    MissingScope(Scope),
    /// The tenant may neither write nor read.
    #[error("the tenant is suspended")]
    TenantSuspended,
}

/// How the bytes of a body differ from the encoding that the request declares.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The bytes do not begin as the encoding does.
    #[error("the body does not have its declared encoding: wanted {wanted}, came {came}")]
    OtherData {
        /// The declared encoding.
        wanted: &'static str,
        /// What the bytes look like, and how many they are.
        came: String,
    },
    /// The encoded data end too early.
    #[error("the {encoding} data of the body end too early: bytes=`{bytes}`")]
    EndsEarly {
        /// The declared encoding.
        encoding: &'static str,
        /// The number of bytes as sent.
        bytes: usize,
    },
    /// The encoded data are damaged.
    #[error("the {encoding} data of the body are damaged: bytes=`{bytes}`")]
    Damaged {
        /// The declared encoding.
        encoding: &'static str,
        /// The number of bytes as sent.
        bytes: usize,
    },
    /// The zstd data need more memory than a request has.
    #[error(
        "the zstd data of the body need a window of more than {0} bytes: compress with a smaller window"
    )]
    LargeWindow(usize),
}

/// A bound on one request, with its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Bound {
    /// Bytes as sent.
    #[error("the body is too large: limit=`{0}`")]
    SentBytes(usize),
    /// Bytes of all events, uncompressed.
    #[error("the body unpacks to too much: limit=`{0}`")]
    UnpackedBytes(usize),
    /// Events.
    #[error("more events than one request takes: limit=`{0}`")]
    Events(usize),
}

impl IntakeError {
    /// The stable code of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unauthenticated(_) => "unauthorized",
            Self::Forbidden(Forbidden::MissingScope(_)) => "forbidden",
            Self::Forbidden(Forbidden::TenantSuspended) => Code::TenantSuspended.as_str(),
            Self::OverQuota(_) => "rate_limited",
            Self::TooLarge(_) => Code::TooLarge.as_str(),
            Self::UnsupportedEncoding(_) => Code::UnsupportedEncoding.as_str(),
            Self::MalformedEncoding(_) => "malformed_encoding",
            Self::UnreadableBody(rejection) => rejection.code.as_str(),
            Self::EmptyBatch => "empty_batch",
            Self::ContractNameTooLong { .. } | Self::InvalidIdempotencyKey(_) => {
                "invalid_parameter"
            }
            Self::IdempotencyMismatch => "idempotency_mismatch",
            Self::Unavailable(_) => "unavailable",
        }
    }

    /// The delay before a retry, in seconds. `None`: a retry would fail again.
    pub const fn retry_after_seconds(&self) -> Option<u64> {
        match self {
            Self::OverQuota(exceeded) => Some(exceeded.retry_after_seconds),
            Self::Unavailable(_) => Some(UNAVAILABLE_RETRY_SECONDS),
            Self::Unauthenticated(_)
            | Self::Forbidden(_)
            | Self::TooLarge(_)
            | Self::UnsupportedEncoding(_)
            | Self::MalformedEncoding(_)
            | Self::UnreadableBody(_)
            | Self::EmptyBatch
            | Self::ContractNameTooLong { .. }
            | Self::InvalidIdempotencyKey(_)
            | Self::IdempotencyMismatch => None,
        }
    }
}

fn place(rejection: &Rejection) -> String {
    rejection.path.as_ref().map(|path| format!(": path=`{path}`")).unwrap_or_default()
}

impl From<Exceeded> for IntakeError {
    fn from(exceeded: Exceeded) -> Self {
        Self::OverQuota(exceeded)
    }
}

impl Unauthenticated {
    /// Whether the sender presented wrong credentials. `false`: the sender presented no credentials.
    pub const fn are_wrong(self) -> bool {
        match self {
            Self::NoKey | Self::NoToken => false,
            Self::UnknownKey | Self::NoTenant | Self::UnknownTenant => true,
        }
    }
}
