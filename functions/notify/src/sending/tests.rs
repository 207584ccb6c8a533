//! Every kind of target against listeners: what they get, and what their answers mean.

mod answers;
mod forms;
mod listener;
mod refused;

use std::io::Write as _;
use std::time::Duration;

use drover_core::base::id::TenantId;
use drover_core::base::time::Timestamp;
use drover_core::intake::tenant::{Endpoint, SecretName, Target};
use drover_core::outputs::alerts::News;
use drover_core::outputs::notifications::Notification;
use serde_json::{Value, json};

use super::{Allowed, Targets};

/// A secret that signs. Its base64 shows where it must not be.
pub(super) const SECRET: &str = "whsec_MARKERMARKERMARKERMARKERMARKERMA";
pub(super) const OTHER_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

pub(super) fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).expect("a time")
}

/// What happened to an alert at 06:10 that opened at 06:00.
pub(super) fn notification(news: News) -> Notification {
    let mut alert = json!({
        "id": "800649d2c2f4a0000123456789abcdef", "rule": "hot", "rule_version": 3,
        "subject": { "kind": "device", "id": "d-1" },
        "severity": "warning", "state": "firing",
        "opened_at": "2026-11-21T06:00:00.000Z", "closed_at": null, "ending": null, "value": 31.5,
        "summary": "d-1 is at 31.5 °C", "labels": { "team": "cold-chain" }, "cause": null,
        "latched": false, "acknowledged": null, "snoozed_until": null, "snoozed": null,
        "disabled": null, "closed": null,
    });
    let changes = match news {
        News::Opened | News::Moved => json!({}),
        News::Raised => json!({ "severity": "critical" }),
        News::Acknowledged => json!({
            "acknowledged": { "by": "ada", "at": "2026-11-21T06:05:00.000Z", "note": "on my way" },
        }),
        News::Resolved | News::Digest => json!({
            "state": "resolved", "closed_at": "2026-11-21T06:08:00.000Z", "ending": "cleared",
        }),
        News::Retracted => json!({
            "state": "retracted", "cause": {
                "event_id": "e-7", "observed_at": "2026-11-21T05:59:00.000Z", "late_seconds": 540,
            },
        }),
    };
    for (name, value) in changes.as_object().expect("an object") {
        alert[name] = value.clone();
    }
    Notification {
        id: "msg_0123456789abcdef0123456789abcdef".to_owned(),
        news,
        tenant: TenantId::parse("demo").expect("a tenant"),
        alert,
        at: at("2026-11-21T06:10:00Z"),
    }
}

/// The same with other members of the alert.
pub(super) fn with(news: News, changes: Value) -> Notification {
    let mut notification = notification(news);
    for (name, value) in changes.as_object().expect("an object") {
        notification.alert[name] = value.clone();
    }
    notification
}

/// Secrets in files, which last as long as this value.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn secret(&self, name: &str, text: &str) -> SecretName {
        let path = self.0.path().join(name);
        let mut file = std::fs::File::create(&path).expect("a file");
        writeln!(file, " {text}").expect("a written file");
        SecretName::File(path.to_str().expect("a path").to_owned())
    }
}

fn target(endpoint: Endpoint) -> Target {
    Target { id: "ops".to_owned(), moved: false, digest: false, endpoint }
}

/// Targets of the local host, with a short time limit.
fn local() -> Targets {
    Targets::new(None, Allowed::default().and_loopback()).within(Duration::from_secs(2))
}
