//! External services. Variables name them; without a variable, no external service is used.
//! `tests/services/run` starts the services and sets the variables.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::OnceLock;

/// The text of a variable, if it is set and not empty.
#[expect(clippy::disallowed_methods, reason = "the environment selects the services under test")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// The address in a variable.
///
/// # Errors
/// The text is not an address.
pub fn address(name: &str) -> Result<Option<SocketAddr>, String> {
    let Some(text) = variable(name) else { return Ok(None) };
    let parsed = text.parse();
    parsed.map(Some).map_err(|_| format!("not HOST:PORT with numbers: {name}=`{text}`"))
}

/// The suffix that this process adds to names in a shared service.
pub fn mark() -> &'static str {
    static MARK: OnceLock<String> = OnceLock::new();
    MARK.get_or_init(|| format!("{:016x}", fastrand::u64(..)))
}

/// Reports on standard error which tests were skipped without a service.
pub fn skipped(what: &str) {
    let mut error = std::io::stderr().lock();
    // A failure to write the report is ignored.
    let _ = writeln!(error, "SKIPPED: {what}; run tests/services/run");
}
