//! The start banner: the addresses, names and keys that a user needs, on one screen.

use std::fmt::Write as _;

use crate::host::Host;

/// Several lines of text, ending with a line feed.
pub(crate) fn banner(host: &Host) -> String {
    let (addresses, parts) = (host.addresses(), host.parts());
    let tenants = parts.tenants.iter().map(|tenant| format!("{} (key {})", tenant.id, tenant.key));
    let lines = [
        ("http", format!("http://{}", addresses.http)),
        ("lambda", format!("http://{}", addresses.lambda)),
        ("dynamodb", format!("http://{}", addresses.dynamodb)),
        ("sqs", format!("http://{}", addresses.sqs)),
        ("stream", parts.event_log.clone()),
        ("tables", parts.tables.join(", ")),
        ("queues", parts.queues.join(", ")),
        ("functions", parts.functions.join(", ")),
        ("tenants", tenants.collect::<Vec<_>>().join(", ")),
        ("data", host.folder().display().to_string()),
    ];
    let mut text = format!("drover {}\n\n", env!("CARGO_PKG_VERSION"));
    for (name, value) in lines {
        let value = if value.is_empty() { "none" } else { &value };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {name:<10}{value}");
    }
    text.push_str("\nstop with Ctrl-C\n");
    text
}
