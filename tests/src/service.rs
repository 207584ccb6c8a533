//! Services outside the process. Variables name them, and without a variable nothing outside is
//! spoken to. `tests/services/run` starts them and sets the variables.

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
/// Where it is none.
pub fn address(name: &str) -> Result<Option<SocketAddr>, String> {
    let Some(text) = variable(name) else { return Ok(None) };
    let parsed = text.parse();
    parsed.map(Some).map_err(|_| format!("not HOST:PORT with numbers: {name}=`{text}`"))
}

/// What this process adds to names in a service that others may use as well.
pub fn mark() -> &'static str {
    static MARK: OnceLock<String> = OnceLock::new();
    MARK.get_or_init(|| format!("{:016x}", fastrand::u64(..)))
}

/// Says on standard error what was not run for want of a service.
pub fn skipped(what: &str) {
    let mut error = std::io::stderr().lock();
    // Nobody can be told where nobody reads.
    let _ = writeln!(error, "SKIPPED: {what}; run tests/services/run");
}
