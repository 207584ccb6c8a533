//! Where the services are, as the environment says.

use std::path::PathBuf;
use std::sync::LazyLock;

/// What the facts need.
pub(crate) struct Services {
    /// The folder of `kafka.sh`.
    pub(crate) scripts: PathBuf,
    /// A Python that has the foreign clients.
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
    /// The services, where there are any.
    pub(crate) fn there() -> Option<&'static Self> {
        SERVICES.as_ref()
    }

    /// The services that a fact needs.
    pub(crate) fn needed() -> &'static Self {
        Self::there().unwrap_or_else(|| panic!("no services: run tests/services/run"))
    }
}

/// How a service misbehaves on purpose, by the value of `DROVER_TEST_FAULT`. `lost_record`, which the
/// foreign producer reads for itself, calls one record acknowledged that it never sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// `truncated_log`: a broker that was killed has lost the end of every partition.
    TruncatedLog,
    /// `swapped_records`: a broker keeps two records of one key in the other order.
    SwappedRecords,
}

impl Fault {
    /// Whether it is asked for.
    pub(crate) fn is_on(self) -> bool {
        let name = match self {
            Self::TruncatedLog => "truncated_log",
            Self::SwappedRecords => "swapped_records",
        };
        variable("DROVER_TEST_FAULT").as_deref() == Some(name)
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
