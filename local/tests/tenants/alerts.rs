//! Alerts of both tenants: with the same rule, about subjects with the same name.

use std::net::SocketAddr;
use std::sync::Arc;

use drover_aws::{Aws, AwsConfig, LocalEndpoints};
use drover_core::base::id::{SubjectId, TenantId};
use drover_core::base::scope::TenantScope;
use drover_core::base::severity::Severity;
use drover_core::base::time::Timestamp;
use drover_core::outputs::alerts::acts::Acts;
use drover_core::outputs::alerts::{Alert, AlertId, AlertWrite, Latest, Reflected};
use drover_core::outputs::changes::CommitId;
use drover_core::ports::Alerts as _;
use drover_core::view::rules::{Episode, Moment, Value};

use crate::question::Tenant;

/// Puts two open alerts of a tenant, and returns the id of the newer one.
pub(crate) async fn put_two(dynamodb: SocketAddr, own: Tenant, start: Timestamp) -> String {
    let scope = TenantScope::by_operator(TenantId::parse(own.name).unwrap());
    let subject = scope.subject(SubjectId::parse("device/d-1").unwrap());
    let commit = CommitId { era: 0, version: 1 };
    let alert = |seconds| {
        let episode = Episode {
            rule: Arc::from("hot"),
            version: 1,
            opened: Moment::time(start.plus_seconds(seconds)),
            closed: None,
            severity: Severity::Warning,
            value: Some(Value::Number(own.value)),
        };
        Alert {
            id: AlertId::new(&subject, &episode, commit),
            episode,
            retracted: None,
            latches: false,
            acts: Acts::default(),
            latest: Latest::default(),
        }
    };
    let alerts = [alert(10), alert(20)];
    let writes = alerts.clone().map(|alert| AlertWrite { old: None, new: Some(alert) });
    let new = Reflected { commit, revision: 1 };
    let written = tables(dynamodb).write_alerts(&subject, None, new, &writes, start).await;
    assert!(written.unwrap().answer);
    alerts[1].id.as_str().to_owned()
}

/// Clients of the host's table of outputs; the other tables and the queues are not used.
fn tables(dynamodb: SocketAddr) -> Aws {
    let none: Arc<str> = Arc::from("");
    let config = AwsConfig {
        ledger_table: Arc::clone(&none),
        registry_table: Arc::clone(&none),
        dead_letter_queue_url: String::new().into(),
        buffer_queue_url: String::new().into(),
        requests_table: None,
        letters_table: None,
        outputs_table: Some(Arc::from("drover-outputs")),
        notifications_queue_url: None,
    };
    let origin = format!("http://{dynamodb}");
    Aws::local(&LocalEndpoints { dynamodb: origin.clone(), sqs: origin }, config)
}
