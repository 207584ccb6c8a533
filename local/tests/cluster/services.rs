//! The services that the environment names.

use std::path::PathBuf;
use std::sync::LazyLock;

/// The services that the facts need.
pub(crate) struct Services {
    /// The folder with `kafka.sh`.
    pub(crate) scripts: PathBuf,
    /// A Python with the other Kafka clients.
    pub(crate) python: PathBuf,
}

static SERVICES: LazyLock<Option<Services>> = LazyLock::new(|| {
    let (scripts, python) = (variable("DROVER_TEST_SERVICES"), variable("DROVER_TEST_PYTHON"));
    let there = scripts.zip(python).map(|(scripts, python)| {
        let (scripts, python) = (PathBuf::from(scripts), PathBuf::from(python));
        Services { scripts, python }
    });
    if there.is_none() {
        eprintln!("SKIPPED: Kafka and its other clients: run tests/services/run");
    }
    there
});

impl Services {
    /// The services, if the environment names them.
    pub(crate) fn there() -> Option<&'static Self> {
        SERVICES.as_ref()
    }

    /// The services that a fact needs.
    pub(crate) fn needed() -> &'static Self {
        Self::there().unwrap_or_else(|| panic!("no services: run tests/services/run"))
    }
}

/// How a service misbehaves deliberately, by the value of `DROVER_TEST_FAULT`. The Python client
/// itself reads `lost_record`: it reports one record as acknowledged without sending it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// `truncated_log`: a killed broker loses the end of every partition.
    TruncatedLog,
    /// `swapped_records`: a broker swaps two records of one key.
    SwappedRecords,
}

impl Fault {
    /// Whether this fault is requested.
    pub(crate) fn is_on(self) -> bool {
        let name = match self {
            Self::TruncatedLog => "truncated_log",
            Self::SwappedRecords => "swapped_records",
        };
        variable("DROVER_TEST_FAULT").as_deref() == Some(name)
    }
}

#[expect(clippy::disallowed_methods, reason = "only the edge of the program reads the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
