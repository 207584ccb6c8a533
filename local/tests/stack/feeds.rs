//! `drover apply` of feeds on a stack.

use drover_local::{Host, HostConfig};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::cloud::{Cloud, OUTPUTS, said, stack};
use crate::common::dynamodb;
use crate::common::running::folder;
use crate::on_stack;

/// `RelayedStreamArns` of the stack decides: the relay reads the streams in this list and no others.
#[tokio::test(flavor = "multi_thread")]
async fn feeds_from_a_table_of_its_own_need_its_change_stream_in_the_list_of_the_stack() {
    const OWN: &str = "drover-own-a";
    let data = tempdir().unwrap();
    let host = Host::start(HostConfig::on_free_ports(data.path())).await.unwrap();
    let documents = folder(&[(
        "tenants/newco.json",
        json!({"id": "newco", "feeds": ["views"], "placement": {"table": OWN}}),
    )]);
    let applied = async |listed: Option<&str>| {
        let outputs: Vec<(&str, &str)> =
            OUTPUTS.into_iter().chain(listed.map(|arns| ("RelayedStreamArns", arns))).collect();
        let stack = stack(&outputs);
        let cloud = Cloud::start(move |_| said(200, stack.clone())).await;
        let environment = cloud.environment_over(host.addresses());
        let (code, out, error) =
            on_stack(&environment, &["apply", documents.path().to_str().unwrap()], "").await;
        (code, if code == 0 { out } else { error })
    };
    let table = async |operation: &str, stream: Value| {
        let mut request = json!({
            "TableName": OWN, "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        });
        if operation == "UpdateTable" {
            request = json!({"TableName": OWN});
        }
        request["StreamSpecification"] = stream;
        let answer = dynamodb(host.addresses(), operation, request).await;
        answer["TableDescription"]["LatestStreamArn"].as_str().unwrap_or_default().to_owned()
    };
    let refused = async |listed: Option<&str>, why: &str| {
        let (code, error) = applied(listed).await;
        assert_eq!(code, 1, "{error}");
        for text in ["newco.json: /feeds: ", why, "tenant=`newco` table=`drover-own-a`"] {
            assert!(error.contains(text), "`{text}` is not in: {error}");
        }
    };
    let other =
        "arn:aws:dynamodb:eu-central-1:1:table/drover-own-ab/stream/2026-11-21T00:00:00.000";
    let earlier =
        "arn:aws:dynamodb:eu-central-1:1:table/drover-own-a/stream/2025-11-21T00:00:00.000";
    let both = format!("{other},{earlier}");
    table("CreateTable", json!({"StreamEnabled": false})).await;
    refused(None, "the relay does not read the change stream").await;
    refused(Some(other), "the relay does not read the change stream").await;
    refused(Some(&both), "is switched off").await;
    let stream = json!({"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"});
    let arn = table("UpdateTable", stream).await;
    refused(Some(&both), "has an earlier change stream").await;
    let (code, out) = applied(Some(&format!("{other},{arn}"))).await;
    assert_eq!(code, 0, "{out}");
    assert!(out.starts_with("created    tenant newco  "), "{out}");
    host.stop().await.unwrap();
}
