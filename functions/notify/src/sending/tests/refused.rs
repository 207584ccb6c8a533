//! Which hosts are not asked.

use super::answers::{kinds, sent, webhook};
use super::listener::Listener;
use super::*;

#[tokio::test]
async fn a_private_address_is_refused_before_it_is_connected_to() {
    let (files, listener) = (Files::new(), Listener::saying(200, "", "").await);
    let (port, strict) = (listener.address.port(), || Targets::new(None, Allowed::default()));
    for (host, expected) in [
        ("localhost", "the target has no address that targets may have"),
        ("LOCALHOST", "the target has no address that targets may have"),
        ("127.0.0.1", "the target has an address that targets may not have"),
        ("127.1", "the target has an address that targets may not have"),
        ("2130706433", "the target has an address that targets may not have"),
        ("0x7f000001", "the target has an address that targets may not have"),
        ("[::1]", "the target has an address that targets may not have"),
        ("[::ffff:10.0.0.1]", "the target has an address that targets may not have"),
    ] {
        for endpoint in kinds(&files, &format!("https://{host}:{port}")) {
            let error = sent(&strict(), endpoint).await.expect_err("refused").to_string();
            assert!(error.starts_with(&format!("{expected}: target=`")), "{host}: {error}");
        }
        for endpoint in kinds(&files, &format!("http://{host}:{port}")) {
            let error = sent(&strict(), endpoint).await.expect_err("refused").to_string();
            assert!(error.starts_with("targets are reached with https only"), "{host}: {error}");
        }
    }
    assert_eq!(listener.connections(), 0);
}

#[tokio::test]
async fn a_host_that_the_deployment_names_is_asked_without_tls() {
    let (files, listener) = (Files::new(), Listener::saying(200, "", "").await);
    let named = Targets::new(None, Allowed::parse("localhost").expect("a host"));
    let address = format!("http://localhost:{}", listener.address.port());
    assert_eq!(sent(&named, webhook(&files, &address)).await, Ok(()));
    let other = sent(&named, webhook(&files, &listener.url(""))).await;
    assert!(other.is_err());
    assert_eq!(listener.connections(), 1);
}
