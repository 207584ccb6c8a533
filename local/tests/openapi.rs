//! The checked-in document is the one that the code generates, and every route in it is served.

#![recursion_limit = "256"]

use drover_local::openapi::document;
use drover_local::{Host, HostConfig};
use drover_tests::http::Call;
use serde_json::Value;

#[test]
fn the_document_in_the_repository_is_the_generated_document() {
    let checked_in = include_str!("../../openapi.json");
    let made = document().unwrap();
    assert!(made == checked_in, "regenerate it: cargo run -- openapi > openapi.json");
}

#[tokio::test]
async fn every_route_of_the_document_is_served_and_the_document_itself() {
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(HostConfig::on_free_ports(data.path())).await.unwrap();
    let address = host.addresses().http;
    let document: Value = serde_json::from_str(&document().unwrap()).unwrap();
    let served = Call::get("/openapi.json").send(address, "").await.unwrap();
    assert!(served.status == 200 && served.json == document, "not the document of the code");
    for (path, methods) in document["paths"].as_object().unwrap() {
        let path = path.replace("{kind}", "device").replace("{id}", "d-1");
        let path = path.replace("{measure}", "temperature").replace("{name}", "telemetry");
        for method in methods.as_object().unwrap().keys() {
            let method = if method == "get" { "GET" } else { "POST" };
            let call = Call { method, ..Call::get(path.clone()) };
            let answer = call.send(address, "drover-demo-key").await.unwrap();
            let served = ![404, 405].contains(&answer.status)
                || answer.json["detail"] != "there is no such route" && answer.status == 404;
            assert!(served, "{method} {path}: {}", answer.text);
        }
    }
    host.stop().await.unwrap();
}
