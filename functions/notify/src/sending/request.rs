//! A request to a target.

use super::url::TargetUrl;

/// A request with JSON.
pub(super) struct Post {
    /// Where it goes.
    pub(super) url: TargetUrl,
    /// Further headers.
    pub(super) headers: Vec<(&'static str, String)>,
    /// The body.
    pub(super) body: String,
    /// Texts that no reason may contain.
    pub(super) secrets: Vec<String>,
}
